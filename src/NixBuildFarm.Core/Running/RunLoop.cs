using NixBuildFarm.Deciding;
using NixBuildFarm.Deciding.Journal;
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
    /// <summary>Takes down what happens and what is decided; null: nothing does.</summary>
    public RunJournal? Journal { get; init; }

    /// <summary>Called each time that something has been decided.</summary>
    public Action? Decided { get; init; }

    /// <summary>Whether work may still join, so that a run without work waits; null: it may not.</summary>
    public Func<bool>? MayGoOn { get; init; }

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
            while (!(run.IsOver && MayGoOn?.Invoke() != true) && !tasks.Stopping.IsCancellationRequested)
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
        var end = clock.Now;
        Journal?.Ends(end);
        run.End(end);
        CarryOut();
        if (run.Fatal is { } fatal) throw fatal;
    }

    private void Apply(RunEvent happened)
    {
        happened = happened with { At = clock.Now };
        Journal?.Happened(happened);
        run.Apply(happened);
        CarryOut();
    }

    private void Decide()
    {
        var now = clock.Now;
        Journal?.Decides(now);
        run.Decide(now);
        CarryOut();
        Decided?.Invoke();
    }

    private void CarryOut()
    {
        while (run.TryTakeAction(out var action))
        {
            Journal?.Did(action!);
            if (effects.Carry(action!) is { } answer) Apply(answer);
        }
    }
}
