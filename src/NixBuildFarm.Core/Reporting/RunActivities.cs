using NixBuildFarm.Builders;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Reporting;

/// <summary>
/// Tells a run in the messages of a Nix daemon: each build is an activity with its builder, log lines, phases and end, and all of them
/// together are one with its progress.
/// </summary>
/// <param name="say">Takes the messages, one at a time and in order.</param>
internal sealed class RunActivities(Action<DaemonMessage> say) : IBuildObserver
{
    private const ulong Overall = 1;

    private readonly object gate = new();
    private readonly Dictionary<(string Derivation, string Builder), (ulong Id, string Phase)> running = [];
    private ulong lastId;
    private bool hasEnded;

    /// <summary>What is said of a derivation that has just failed; null: nothing.</summary>
    public Func<NixBuildResult,
    string?> Failure { get; init; } = static result => result.Error is null ? null : $"{result.Name}: {result.Error}";

    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        lock (gate)
        {
            if (hasEnded) return;
            if (lastId == 0) Start(ActivityType.Builds, "", []);
            switch (news)
            {
                case RunNews.Ended(var result): End(result); break;
                case RunNews.Printed(var build, var text): say(new BuildLogLine(IdOf(build), text)); break;
                case RunNews.Progressed(var progress): Show(progress); break;
                case RunNews.BuilderFailed(_, var error): Message(Verbosity.Error, $"error: {error.Message}"); break;
                case RunNews.HistoryFailed(var error): Message(Verbosity.Warn, $"warning: {error.Message}"); break;
                case RunNews.Degraded(var message): Message(Verbosity.Warn, $"warning: {message}"); break;
                // What the scheduler decides is no news to a reader of builds.
            }
        }
    }

    /// <summary>Ends what has begun. What comes after that is not told any more.</summary>
    public void End()
    {
        lock (gate)
        {
            if (hasEnded) return;
            hasEnded = true;
            foreach (var key in running.Keys.ToArray()) Stop(key);
            if (lastId > 0) say(new ActivityStopped(Overall));
        }
    }

    private void End(NixBuildResult result)
    {
        foreach (var build in running.Where(build => build.Key.Derivation == result.DerivationPath).ToArray()) Stop(build.Key);
        if (!result.Success && Failure(result) is { } failure) Message(Verbosity.Error, $"error: {failure}");
    }

    private void Show(RunProgress progress)
    {
        // The supply of inputs comes before the build, and Nix has no word for it.
        var building = progress.Running.Where(build => build.Phase != "supplying");
        var current = building.ToDictionary(build => (build.DerivationPath, build.Builder));
        foreach (var gone in running.Keys.Where(key => !current.ContainsKey(key)).ToArray()) Stop(gone);
        foreach (var (key, build) in current)
        {
            var id = IdOf(build);
            if (running[key].Phase == build.Phase || build.Phase == "building") continue;
            running[key] = (id, build.Phase);
            say(new BuildPhaseEntered(id, build.Phase));
        }
        say(new ActivityProgress(Overall, (ulong)progress.Done, (ulong)progress.Total, (ulong)running.Count, (ulong)progress.Failed));
    }

    private ulong IdOf(RunningBuild build) =>
        running.TryGetValue((build.DerivationPath, build.Builder), out var known) ? known.Id : Begin(build);

    private ulong Begin(RunningBuild build)
    {
        // An empty machine is this one.
        var machine = build.Builder == NixBuilder.LocalName ? "" : build.Builder;
        var where = machine == "" ? "" : $" on '{machine}'";
        var id = Start(
            ActivityType.Build,
            $"building '{build.DerivationPath}'{where}",
            [new(0, build.DerivationPath), new(0, machine), new(1, null), new(1, null)]);
        running[(build.DerivationPath, build.Builder)] = (id, "");
        return id;
    }

    private ulong Start(ActivityType type, string text, IReadOnlyList<ActivityField> fields)
    {
        var id = ++lastId;
        say(new ActivityStarted(id, Verbosity.Info, type, text, fields, id == Overall ? 0 : Overall));
        return id;
    }

    private void Stop((string, string) key)
    {
        if (running.Remove(key, out var build)) say(new ActivityStopped(build.Id));
    }

    private void Message(Verbosity level, string text) => say(new DaemonLogLine(text) { Level = level });
}
