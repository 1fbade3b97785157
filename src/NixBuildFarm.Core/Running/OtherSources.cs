using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Running;

/// <summary>What others know of builds: nix-output-monitor, and the logs of builders. It is kept in the history, each build once.</summary>
/// <param name="store">The history.</param>
/// <param name="tryRead">Reads it, and gives false where that fails.</param>
/// <param name="tryWrite">Writes it, or lets it be.</param>
/// <param name="time">The clock.</param>
internal sealed class OtherSources(IRunHistory store, Func<Func<bool>, bool> tryRead, Action<Action> tryWrite, TimeProvider time)
{
    /// <summary>How often a builder is asked what its logs tell. What is built with NixBuildFarm is known without.</summary>
    private static readonly TimeSpan AskInterval = TimeSpan.FromDays(7);

    /// <summary>What nix-output-monitor is called among the sources of builds.</summary>
    internal const string Reporter = "nix-output-monitor";

    /// <summary>What the logs of a builder are called among them.</summary>
    internal static string LogsOf(NixBuilder builder) => $"logs of {builder.Name}";

    /// <summary>Whether a source has not been asked for a while.</summary>
    public bool WantsBuildsOf(string source) =>
        tryRead(() => store.AskedAt(source) is not { } at || at + AskInterval < time.GetUtcNow());

    /// <summary>Keeps for later runs what a source knows of builds.</summary>
    public void Import(string source, IReadOnlyCollection<BuildObservation> known) => tryWrite(() =>
    {
        store.Import(known);
        store.SetAsked(source, time.GetUtcNow());
    });

    /// <summary>What nix-output-monitor has reported to this user; nothing where it is not used, or its file cannot be read.</summary>
    /// <param name="builders">The builders that are known.</param>
    /// <param name="now">The time of day.</param>
    public static IReadOnlyList<BuildObservation> Reports(IReadOnlyList<NixBuilder> builders, DateTimeOffset now)
    {
        try
        {
            return NixOutputMonitorReports.Read(File.ReadLines(NixOutputMonitorReports.DefaultFile), new(builders), now);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NixBuildFarmException)
        {
            return [];
        }
    }

    /// <summary>Keeps what nix-output-monitor has reported, unless it was kept not long ago: it forgets all but ten of a package.</summary>
    /// <param name="builders">The builders that are known.</param>
    public void KeepReports(IReadOnlyList<NixBuilder> builders)
    {
        if (!File.Exists(NixOutputMonitorReports.DefaultFile) || !WantsBuildsOf(Reporter)) return;
        Import(Reporter, Reports(builders, time.GetUtcNow()));
    }
}
