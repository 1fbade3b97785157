using System.Diagnostics;

namespace NixBuildFarm.Bench.Supplying;

/// <summary>Runs programs; arguments are passed as they are.</summary>
internal static class Shell
{
    /// <summary>Runs a program to its end and returns its output.</summary>
    /// <exception cref="InvalidOperationException">It failed; the message has what it complained of.</exception>
    public static async Task<string> RunAsync(string program, params IEnumerable<string> arguments)
    {
        using var process = Process.Start(
            new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await Task.WhenAll(output, error);
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? (await output).Trim()
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {await error}");
    }

    /// <summary>Runs a program on a host of the farm, as root.</summary>
    public static Task<string> OnAsync(string host, params IEnumerable<string> command) => RunAsync("farm", ["exec", host, .. command]);
}
