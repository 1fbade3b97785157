using System.Management.Automation;
using System.Management.Automation.Runspaces;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Building;

/// <summary>
/// What a user has done when a run has ended. It comes after all results, and whatever goes wrong in it is a warning: no result is lost
/// by it, and no success becomes a failure. What it writes is shown, and is no part of the output.
/// </summary>
internal sealed class CompletionScript(ScriptBlock script)
{
    /// <summary>The tag of what it writes in the information stream.</summary>
    public const string Tag = "NixBuildCompleted";

    /// <summary>Runs it in the session of a cmdlet, on the thread of its pipeline.</summary>
    public void RunIn(Cmdlet cmdlet, NixBuildRun run)
    {
        try
        {
            using var room = new SemaphoreSlim(1);
            var output = new CmdletOutput(write => write(cmdlet), room, CancellationToken.None);
            foreach (var item in script.InvokeWithContext(null, [new PSVariable("_", run)])) output.Remark(PropertyBag.Text(item), Tag);
        }
        catch (Exception e) when (e is not PipelineStoppedException)
        {
            cmdlet.WriteWarning(Failure(e.Message));
        }
    }

    /// <summary>Runs it in a session of its own, without the variables and functions of the one that it was written in.</summary>
    /// <param name="output">Gets what it writes.</param>
    /// <param name="run">The run.</param>
    /// <param name="cancellation">Stops it.</param>
    public void RunApart(CommandOutput output, NixBuildRun run, CancellationToken cancellation)
    {
        try
        {
            using var shell = PowerShell.Create(InitialSessionState.CreateDefault2());
            shell.AddScript("param($run, $script) $run | ForEach-Object -Process ([scriptblock]::Create($script))")
                .AddArgument(run)
                .AddArgument(script.ToString());
            using var stopping = cancellation.Register(() => shell.BeginStop(null, null));
            foreach (var item in shell.Invoke()) output.Remark(PropertyBag.Text(item), Tag);
            foreach (var error in shell.Streams.Error) output.Warning(Failure(error.ToString()));
        }
        catch (PipelineStoppedException) when (cancellation.IsCancellationRequested)
        {
            // The user has stopped the job, and with it the script.
        }
        catch (Exception e) when (e is RuntimeException or InvalidOperationException)
        {
            output.Warning(Failure(e.Message));
        }
    }

    private static string Failure(string why) => $"What -OnCompleted gives has failed; the run is not affected: {why}";
}
