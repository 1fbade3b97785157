using System.ComponentModel;
using System.Diagnostics;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Text;

namespace NixBuildFarm.Ssh.Configuration;

/// <summary>Asks OpenSSH for its configuration of a builder's host.</summary>
internal static class SshConfigReader
{
    /// <summary>The builder's configuration. Its own user and port win over ssh_config's.</summary>
    /// <exception cref="BuilderException">The name cannot be one, or OpenSSH finds a mistake in its configuration.</exception>
    public static async Task<SshConfig> ReadAsync(NixBuilder builder, SshEnvironment environment, CancellationToken cancellation)
    {
        var host = HostOf(builder);
        // As Nix does. Without a key of its own, ssh uses its default identities, as it does if the file is missing.
        IEnumerable<string> identity = builder.IdentityFile is { } file ? ["-i", file] : [];
        var arguments = Arguments(builder, identity, environment);
        if (ProgramPath.Find("ssh") is not { } program)
        {
            return SshConfig.Default(host, builder.User, builder.Port, builder.IdentityFile, environment);
        }
        var start = new ProcessStartInfo(program, ["-G", .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Start(builder, start);
        process.StandardInput.Close();
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellation);
            var error = process.StandardError.ReadToEndAsync(cancellation);
            await Task.WhenAll(output, error);
            await process.WaitForExitAsync(cancellation);
            return process.ExitCode == 0
                ? SshConfig.Parse(await output, host, environment)
                : throw Unresolved(builder, TerminalText.Strip(await error).Trim());
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    /// <summary>
    /// The arguments of an ssh to the builder. ssh uses the first value of an option, so mandatory ones come first, then the builder's,
    /// then those that the user adds to every ssh of Nix.
    /// </summary>
    public static IEnumerable<string> Arguments(NixBuilder builder, IEnumerable<string> mustHold, SshEnvironment environment)
    {
        var host = HostOf(builder);
        Check(builder, "user", builder.User);
        List<string> own = [];
        if (builder.User is { } user) own.Add("-l" + user);
        if (builder.Port is { } port) own.Add("-p" + port);
        return [.. mustHold, .. own, .. environment.SshOptions, "--", host];
    }

    private static Process Start(NixBuilder builder, ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw Unresolved(builder, e.Message);
        }
    }

    private static BuilderException Unresolved(NixBuilder builder, string reason) => new(
        builder.Name,
        BuilderFailure.Configuration,
        $"Builder {builder.Name}: ssh cannot resolve its configuration for “{builder.HostName}”: {reason}",
        "Correct ssh_config (or NIX_SSHOPTS); “ssh -G HOST” shows the same message.");

    private static string HostOf(NixBuilder builder)
    {
        Check(builder, "host name", builder.HostName);
        return builder.HostName is ['[', .. var address, ']'] ? address : builder.HostName;
    }

    // A name that looks like an option, or is not one word, must never reach a command line. No host has such a name.
    private static void Check(NixBuilder builder, string what, string? word)
    {
        if (word is null) return;
        var problem = word.Length == 0 ? "is empty"
            : word[0] == '-' ? "begins with “-”"
            : word.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)) ? "has blanks or control characters"
            : null;
        if (problem is null) return;
        throw new BuilderException(
            builder.Name,
            BuilderFailure.Configuration,
            $"Builder {builder.Name}: its {what} “{TerminalText.Strip(word)}” {problem}.",
            $"Correct it where the builder is configured: {builder.Source}.");
    }
}
