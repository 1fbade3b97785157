using System.Collections;
using System.Diagnostics;
using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Serving;

/// <summary>The process of a farm, which outlives the session and its terminal.</summary>
internal sealed class FarmProcess(string name)
{
    // Constant texts: what differs comes through the environment and as arguments.
    private const string Serve = """
        $ErrorActionPreference = 'Stop'
        Import-Module $env:NIXBUILDFARM_MODULE
        $parameters = Import-Clixml $env:NIXBUILDFARM_SETTINGS
        try { Start-NixBuildFarm @parameters -Foreground -Verbose 4>&1 }
        catch { "$_ $($_.ErrorDetails.RecommendedAction)"; exit 1 }
        """;

    private const string Detach = """log=$1; shift; exec "$@" < /dev/null >> "$log" 2>&1""";

    private const int LogLines = 10;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <summary>Starts it, and waits until it serves.</summary>
    /// <param name="parameters">Those of Start-NixBuildFarm.</param>
    /// <param name="cancellation">Gives up, and ends the process.</param>
    /// <exception cref="NixBuildFarmException">It runs already, or does not come to serve.</exception>
    public async Task<NixFarm> StartAsync(Hashtable parameters, CancellationToken cancellation)
    {
        var folder = new FarmFolder(name);
        if (FarmClient.Find(name) is not null)
        {
            throw new NixBuildFarmException(
                "FarmRuns", $"The farm {name} runs already.", $"Get-NixBuildFarm {name} shows it, and Stop-NixBuildFarm {name} ends it.");
        }
        folder.Create();
        WholeFile.Replace(
            folder.Settings,
            System.Text.Encoding.UTF8.GetBytes(PSSerializer.Serialize(parameters, depth: 8)),
            UnixFileMode.UserRead | UnixFileMode.UserWrite);
        WholeFile.Replace(folder.Log, [], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using var process = Process.Start(Describe(folder)) ?? throw NotStarted("No process could be started.");
        try
        {
            while (true)
            {
                if (FarmClient.Find(name) is { } farm && await StatusAsync(farm, cancellation) is { } status) return status;
                if (process.HasExited) throw NotStarted(WhyIn(folder.Log));
                await Task.Delay(Interval, cancellation);
            }
        }
        catch (OperationCanceledException)
        {
            if (!process.HasExited) process.Kill();
            throw;
        }
    }

    /// <summary>What a process has said last, without its decisions.</summary>
    private static string WhyIn(string log) =>
        string.Join('\n', File.ReadLines(log).Where(line => !line.StartsWith("VERBOSE: ", StringComparison.Ordinal)).TakeLast(LogLines));

    private static async Task<NixFarm?> StatusAsync(FarmClient farm, CancellationToken cancellation)
    {
        try
        {
            return await farm.StatusAsync(cancellation);
        }
        catch (NixBuildFarmException)
        {
            return null; // It holds its folder, and its sockets are yet to come.
        }
    }

    private static ProcessStartInfo Describe(FarmFolder folder)
    {
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = folder.Path };
        foreach (var argument in (string[])["-c", Detach, "sh", folder.Log]) start.ArgumentList.Add(argument);
        // A session of its own: what ends the terminal does not end the farm.
        if (ProgramPath.Find("setsid") is { } setsid) start.ArgumentList.Add(setsid);
        foreach (var argument in (string[])[PowerShellProgram(), "-NoLogo", "-NoProfile", "-NonInteractive", "-Command", Serve])
        {
            start.ArgumentList.Add(argument);
        }
        start.Environment["NIXBUILDFARM_MODULE"] = System.IO.Path.Combine(
            System.IO.Path.GetDirectoryName(typeof(FarmProcess).Assembly.Location)!, "NixBuildFarm.psd1");
        start.Environment["NIXBUILDFARM_SETTINGS"] = folder.Settings;
        return start;
    }

    private static string PowerShellProgram() =>
        Environment.ProcessPath is { } own && System.IO.Path.GetFileName(own) == "pwsh" ? own
        : ProgramPath.Find("pwsh")
            ?? throw new NixBuildFarmException(
                "PowerShellNotFound", "There is no pwsh in PATH, which is to serve.", "Install PowerShell, or serve with -Foreground.");

    private NixBuildFarmException NotStarted(string why) =>
        new("FarmNotStarted", $"The farm {name} did not come to serve: {why}", "Start-NixBuildFarm -Foreground shows all of it.");
}
