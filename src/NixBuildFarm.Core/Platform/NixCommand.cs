using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using NixBuildFarm.Errors;
using NixBuildFarm.Text;

namespace NixBuildFarm.Platform;

/// <summary>Runs one of Nix's own programs on this machine, without a shell.</summary>
internal static class NixCommand
{
    private const int LongestFailure = 1 << 20;
    private const string RemoteVariable = "NIX_REMOTE";

    /// <summary>Runs a program of Nix and returns its output.</summary>
    /// <param name="program">E.g. <c>nix-instantiate</c>, found in PATH.</param>
    /// <param name="arguments">Its arguments, word by word.</param>
    /// <param name="workingDirectory">Where it runs; null: here.</param>
    /// <param name="environment">Variables that it gets beside ours; null: none.</param>
    /// <param name="listen">
    /// Receives each line of its standard error, and returns the part that belongs to the message of a failure; null: all of it does.
    /// </param>
    /// <param name="cancellation">Ends the program.</param>
    /// <returns>Its standard output.</returns>
    /// <exception cref="NixBuildFarmException">
    /// <c>NixNotFound</c>: no such program; <c>NixFailed</c>: it failed, and the message is Nix's own, once.
    /// </exception>
    public static async Task<string> RunAsync(
        string program,
        IEnumerable<string> arguments,
        string? workingDirectory = null,
        IReadOnlyDictionary<string, string>? environment = null,
        Func<string, string?>? listen = null,
        CancellationToken cancellation = default)
    {
        var start = new ProcessStartInfo(ProgramPath.Find(program) ?? throw NotFound(program, "it is in no folder of PATH"), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = workingDirectory ?? "",
        };
        if (GoesThroughDaemon(Environment.GetEnvironmentVariable(RemoteVariable), DaemonSocket.Path))
        {
            start.Environment[RemoteVariable] = "daemon";
        }
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        using var process = Start(start);
        process.StandardInput.Close();
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellation);
            var error = listen is null
                ? process.StandardError.ReadToEndAsync(cancellation)
                : ListenAsync(process.StandardError, listen, cancellation);
            await Task.WhenAll(output, error);
            await process.WaitForExitAsync(cancellation);
            return process.ExitCode == 0 ? await output : throw Failed(program, process.ExitCode, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    private static async Task<string> ListenAsync(StreamReader lines, Func<string, string?> listen, CancellationToken cancellation)
    {
        var failure = new StringBuilder();
        while (await lines.ReadLineAsync(cancellation) is { } line)
        {
            if (listen(line) is { } words && failure.Length < LongestFailure) failure.Append(words).Append('\n');
        }
        return failure.ToString();
    }

    /// <summary>
    /// Whether a program of Nix has to use the daemon. As root, it would open the store itself; if the store is to be migrated, it would
    /// wait for our own connection to the daemon, which waits for the program.
    /// </summary>
    /// <param name="remote">The user's setting.</param>
    /// <param name="socket">The daemon's socket.</param>
    internal static bool GoesThroughDaemon(string? remote, string socket) => string.IsNullOrEmpty(remote) && File.Exists(socket);

    /// <summary>The text of an error of Nix, without colour, warnings and the word <c>error:</c>.</summary>
    public static string MessageOf(string standardError)
    {
        var plain = TerminalText.Strip(standardError).Trim();
        var at = plain.IndexOf("error:", StringComparison.Ordinal);
        return at < 0 ? plain : plain[(at + "error:".Length)..].Trim();
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw NotFound(start.FileName, e.Message);
        }
    }

    private static NixBuildFarmException NotFound(string program, string reason) =>
        new("NixNotFound", $"“{program}” cannot be started: {reason}.", "Install Nix on this machine, or add its bin folder to PATH.");

    private static NixBuildFarmException Failed(string program, int exitCode, string error)
    {
        var message = MessageOf(error);
        return new(
            "NixFailed", message.Length > 0 ? $"{program}: {message}" : $"{program} ended with exit code {exitCode} and no message.");
    }
}
