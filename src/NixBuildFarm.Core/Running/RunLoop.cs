using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Running;

/// <summary>
/// The loop of a run: takes events one at a time, has <see cref="LiveRun"/> decide, and has <see cref="RunEffects"/> carry out the actions.
/// </summary>
/// <param name="run">Decides.</param>
/// <param name="tasks">What goes on beside the loop.</param>
/// <param name="effects">Carries out.</param>
/// <param name="clock">The time of the run.</param>
internal sealed class RunLoop(LiveRun run, RunTasks tasks, RunEffects effects, RunClock clock)
{
    /// <summary>Called each time that something has been decided.</summary>
    public Action? Decided { get; init; }

    /// <summary>Runs until every job has ended and every output is where it should be.</summary>
    /// <param name="began">The first event.</param>
    /// <param name="cancellation">Stops the run.</param>
    /// <exception cref="OperationCanceledException">The run was stopped from outside.</exception>
    /// <exception cref="BuilderException">The local store was lost; what became of each job has been told all the same.</exception>
    public async Task RunAsync(RunEvent.Began began, CancellationToken cancellation)
    {
        try
        {
            Apply(began);
            Decide();
            while (!run.IsOver && !tasks.Stopping.IsCancellationRequested)
            {
                await tasks.WaitAsync(run.NextWakeup, clock);
                while (tasks.TryTake(out var happened)) Apply(happened!);
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
        run.End(clock.Now);
        CarryOut();
        if (run.Fatal is { } fatal) throw fatal;
    }

    private void Apply(RunEvent happened)
    {
        run.Apply(happened with { At = clock.Now });
        CarryOut();
    }

    private void Decide()
    {
        run.Decide(clock.Now);
        CarryOut();
        Decided?.Invoke();
    }

    private void CarryOut()
    {
        while (run.TryTakeAction(out var action))
        {
            if (effects.Carry(action!) is { } answer) Apply(answer);
        }
    }
}
