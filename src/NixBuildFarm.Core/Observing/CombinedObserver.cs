namespace NixBuildFarm.Observing;

/// <summary>Passes news on to several observers.</summary>
public sealed class CombinedObserver(params IReadOnlyList<IBuildObserver> observers) : IBuildObserver
{
    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        foreach (var observer in observers) observer.Observe(news);
    }
}
