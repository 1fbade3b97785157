using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Building;

/// <content>What is done when a run has ended.</content>
public sealed partial class InvokeNixDistributedBuildCommand
{
    /// <summary>How the run is shown while it goes on. Where there is no terminal for more, as progress.</summary>
    [Parameter]
    public BuildDisplay Display { get; set; }

    /// <summary>A file for the events of the run as they happen, a line of JSON each. A file that is there is replaced.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? EventLog { get; set; }

    /// <summary>Keeps the directories of builds that fail, and brings them to this machine.</summary>
    [Parameter]
    public SwitchParameter KeepFailed { get; set; }

    /// <summary>Runs when the run has ended, however it did, with the run as <c>$_</c>.</summary>
    [Parameter]
    [ValidateNotNull]
    public ScriptBlock? OnCompleted { get; set; }

    private void RefuseToCompleteWhatGoesOn()
    {
        if (OnCompleted is null || !Detach) return;
        ThrowTerminatingError(new NixBuildFarmException(
            "CompletedInFarm",
            "-OnCompleted is run by this session, which does not see the end of a run that -Detach leaves to a farm.",
            "Wait for it instead: $run | Wait-NixBuild; or leave -Detach out.")
                .ToErrorRecord());
    }

    /// <summary>Builds, and then runs the user's script: also where an error ends the cmdlet, but not where the user has.</summary>
    private void BuildAndComplete(BuildInvocation invocation)
    {
        RunRecord? ended = null;
        try
        {
            Await((invocation with { Ended = run => ended = run }).BuildAsync);
        }
        finally
        {
            if (OnCompleted is { } script && ended is not null && !Stopping) new CompletionScript(script).RunIn(this, ended.ToRun());
        }
    }

    /// <summary>The same as a job, which has no session: the script gets one of its own.</summary>
    private Func<CommandOutput, CancellationToken, Task> CompletingJob(BuildInvocation invocation)
    {
        if (OnCompleted is not { } script) return invocation.BuildAsync;
        return async (output, cancellation) =>
        {
            RunRecord? ended = null;
            try
            {
                await (invocation with { Ended = run => ended = run }).BuildAsync(output, cancellation);
            }
            finally
            {
                var isStopped = cancellation.IsCancellationRequested;
                if (ended is not null && !isStopped) new CompletionScript(script).RunApart(output, ended.ToRun(), cancellation);
            }
        };
    }
}
