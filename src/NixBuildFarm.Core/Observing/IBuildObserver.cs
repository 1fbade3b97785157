namespace NixBuildFarm.Observing;

/// <summary>Receives the news of a run.</summary>
public interface IBuildObserver
{
    /// <summary>Takes a piece of news. Called from any thread, one call at a time; must return soon.</summary>
    void Observe(RunNews news);

    /// <summary>A decision was taken, and why.</summary>
    void Decided(string message) => Observe(new RunNews.Decided(message));

    /// <summary>The run is not as good as it should be.</summary>
    void Degraded(string message) => Observe(new RunNews.Degraded(message));
}
