using System.Diagnostics;
using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests.Surface;

/// <summary>The engine in a process of its own.</summary>
internal static class EngineProcess
{
    /// <summary>Runs a script that has to end without errors, and returns the lines that it writes.</summary>
    public static async Task<string[]> RunAsync(string script, params string[] arguments)
    {
        var host = Path.Combine(AppContext.BaseDirectory, "NixBuildFarm.EngineHost.dll");
        using var process = Process.Start(
            new ProcessStartInfo("dotnet", ["exec", host, script, .. arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        using var limit = new CancellationTokenSource(RecordingSession.Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            Assert.Equal("", await error);
            Assert.Equal(0, process.ExitCode);
            return (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}
