using System.ComponentModel;
using System.Diagnostics;
using NixBuildFarm.Builders;

namespace NixBuildFarm.Ssh.Configuration;

/// <summary>Asks OpenSSH what it would do with a builder's host name.</summary>
internal static class SshConfigReader
{
    /// <summary>The builder's configuration. Its own user and port win over ssh_config's.</summary>
    /// <exception cref="BuilderException">The name cannot be one, or OpenSSH finds a mistake in its configuration.</exception>
    public static async Task<SshConfig> ReadAsync(NixBuilder builder, SshEnvironment environment, CancellationToken cancellation)
    {
        var host = HostOf(builder);
        var start = new ProcessStartInfo("ssh", ["-G", .. environment.SshOptions, .. Destination(builder)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            return SshConfig.Default(host, builder.User, builder.Port, environment);
        }
        using (process)
        {
            process.StandardInput.Close();
            try
            {
                var output = process.StandardOutput.ReadToEndAsync(cancellation);
                var error = process.StandardError.ReadToEndAsync(cancellation);
                await Task.WhenAll(output, error);
                await process.WaitForExitAsync(cancellation);
                return process.ExitCode == 0
                    ? SshConfig.Parse(await output, host, environment)
                    : throw new BuilderException(
                        builder.Name,
                        BuilderFailure.Configuration,
                        $"Builder {builder.Name}: ssh cannot resolve its configuration for “{host}”: {TerminalText.Clean(await error).Trim()}",
                        "Correct ssh_config (or NIX_SSHOPTS); “ssh -G HOST” shows the same message.");
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                throw;
            }
        }
    }

    /// <summary>The words that name the builder to the ssh program: user, port, host.</summary>
    public static IEnumerable<string> Destination(NixBuilder builder)
    {
        var host = HostOf(builder);
        Check(builder, "user", builder.User);
        if (builder.User is { } user) yield return "-l" + user;
        if (builder.Port is { } port) yield return "-p" + port;
        yield return "--";
        yield return host;
    }

    private static string HostOf(NixBuilder builder)
    {
        Check(builder, "host name", builder.HostName);
        return builder.HostName is ['[', .. var address, ']'] ? address : builder.HostName;
    }

    // A name that looks like an option, or is not one word, must never reach a command line: nobody's host is called so.
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
            $"Builder {builder.Name}: its {what} “{TerminalText.Clean(word)}” {problem}.",
            $"Correct it where the builder is configured: {builder.Source}.");
    }
}
