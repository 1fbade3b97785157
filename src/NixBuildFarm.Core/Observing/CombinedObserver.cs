using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;

namespace NixBuildFarm.Observing;

/// <summary>Tells several observers what one is told.</summary>
public sealed class CombinedObserver(params IReadOnlyList<IBuildObserver> observers) : IBuildObserver
{
    /// <inheritdoc/>
    public void Ended(NixBuildResult result) => Tell(observer => observer.Ended(result));

    /// <inheritdoc/>
    public void BuilderFailed(NixBuilder builder, NixBuildFarmException error) => Tell(observer => observer.BuilderFailed(builder, error));

    /// <inheritdoc/>
    public void HistoryFailed(HistoryException error) => Tell(observer => observer.HistoryFailed(error));

    /// <inheritdoc/>
    public void Decided(string message) => Tell(observer => observer.Decided(message));

    /// <inheritdoc/>
    public void Degraded(string message) => Tell(observer => observer.Degraded(message));

    /// <inheritdoc/>
    public void Printed(RunningBuild build, string line) => Tell(observer => observer.Printed(build, line));

    /// <inheritdoc/>
    public void Progressed(RunProgress progress) => Tell(observer => observer.Progressed(progress));

    private void Tell(Action<IBuildObserver> what)
    {
        foreach (var observer in observers) what(observer);
    }
}
