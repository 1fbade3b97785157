namespace NixBuildFarm.Observing;

/// <summary>Tells several observers what one is told.</summary>
public sealed class CombinedObserver(params IReadOnlyList<IBuildObserver> observers) : IBuildObserver
{
    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        foreach (var observer in observers) observer.Observe(news);
    }
}
