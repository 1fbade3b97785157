using NixBuildFarm.Errors;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Finds out whether the builder that an error names is lost. A single connection may break, or a new one be refused, while the builder is
/// well otherwise: then it is asked.
/// </summary>
/// <param name="facts">The run.</param>
/// <param name="membership">Loses builders.</param>
/// <param name="settle">Decides on the event with the error, when the answer is known.</param>
internal sealed class Verdicts(RunFacts facts, Membership membership, Action<RunEvent, SuspectState> settle)
{
    /// <summary>An event has an error, of an attempt or of what follows it.</summary>
    public void Judge(RunEvent cause, Exception error, Attempt attempt)
    {
        if (facts.SuspectOf(error, attempt.On) is not { } suspect || error is not BuilderException e)
        {
            settle(cause, SuspectState.None);
        }
        else if (e.Failure is BuilderFailure.ConnectionLost or BuilderFailure.Unreachable)
        {
            facts.Do(new RunAction.Probe(suspect, e, cause));
        }
        else if (!membership.Lose(suspect, e, cause))
        {
            settle(cause, SuspectState.Lost);
        }
    }

    /// <summary>The builder was asked.</summary>
    public void OnAnswered(RunEvent.BuilderAnswered answered)
    {
        if (answered.Answers) settle(answered.Cause, SuspectState.Answers);
        else if (!membership.Lose(answered.On, answered.Error, answered.Cause)) settle(answered.Cause, SuspectState.Lost);
    }

    /// <summary>The builder is lost, and what it had is forgotten.</summary>
    public void OnDisconnected(RunEvent.Disconnected disconnected)
    {
        membership.OnDisconnected(disconnected);
        if (disconnected.Cause is { } cause) settle(cause, SuspectState.Lost);
    }
}
