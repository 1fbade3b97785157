using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Running;

/// <summary>
/// The loop of a run: takes events one at a time, has <see cref="LiveRun"/> decide, and has <see cref="RunEffects"/> carry out the actions.
/// </summary>
internal sealed class RunLoop(LiveRun run, RunFacts facts, RunTasks tasks, RunEffects effects)
{
    /// <summary>Runs until every job has ended and every output is where it should be.</summary>
    /// <exception cref="OperationCanceledException">The run was stopped from outside.</exception>
    /// <exception cref="BuilderException">The local store was lost; what became of each job has been told all the same.</exception>
    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            run.Begin();
            Carry();
            Decide();
            while (!run.IsOver && !tasks.Stopping.IsCancellationRequested)
            {
                await tasks.WaitAsync(run.NextWakeup, facts.Clock);
                while (tasks.TryTake(out var happened))
                {
                    run.Apply(happened!);
                    Carry();
                }
                Decide();
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // Stopped by a failure: what is left is told below.
        }
        finally
        {
            await tasks.EndAsync();
        }
        cancellation.ThrowIfCancellationRequested();
        run.End();
    }

    private void Decide()
    {
        run.Decide();
        Carry();
    }

    private void Carry()
    {
        while (facts.TryTakeAction(out var action)) effects.Carry(action!);
    }
}
