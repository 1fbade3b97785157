using NixBuildFarm.Builders;
using NixBuildFarm.History;
using NixBuildFarm.Platform;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Work;

namespace NixBuildFarm.Running;

/// <summary>
/// The builders of a run beside the local one, and when each is connected: one that builds for this machine's system while Nix evaluates
/// still, any other when a job is known that it may take, and one that is quarantined since an earlier run later, if at all.
/// </summary>
/// <param name="request">Names the builders.</param>
/// <param name="connector">Connects them.</param>
/// <param name="known">How builders failed in earlier runs.</param>
/// <param name="now">The time of day.</param>
internal sealed class RemoteBuilders(BuildRequest request, FarmConnector connector, IReadOnlyList<BuilderTrouble> known, DateTimeOffset now)
{
    private readonly Dictionary<string, Task<Connected>> connections = [];

    /// <summary>How any of them failed in earlier runs, by name.</summary>
    public IReadOnlyDictionary<string, BuilderTrouble> Troubles { get; } = known.ToDictionary(trouble => trouble.Builder);

    /// <summary>Those that are not quarantined; those that answered last time come first, for logins wait for each other.</summary>
    private IEnumerable<NixBuilder> Ready =>
        request.Builders.Where(builder => !builder.IsLocal && builder.MaxJobs > 0 && !IsResting(builder))
            .OrderBy(builder => Troubles.GetValueOrDefault(builder.Name)?.Openings ?? 0);

    /// <summary>Begins to connect what will probably be of use, before that is known.</summary>
    public void ConnectLikely(CancellationToken cancellation)
    {
        var systems = request.Builders.FirstOrDefault(builder => builder.IsLocal)?.Systems ?? [OwnSystem.Name];
        foreach (var builder in Ready.Where(builder => builder.Systems.Intersect(systems).Any())) _ = Connect(builder, cancellation);
    }

    /// <summary>
    /// Connects what may take one of these jobs, or help with its compiles. What else is being connected is left to itself: nobody
    /// waits for it, or is told.
    /// </summary>
    /// <returns>What comes of connecting them, and those that are quarantined.</returns>
    public (IReadOnlyDictionary<NixBuilder, Task<Connected>> Connecting, IReadOnlyList<NixBuilder> Resting) ConnectUseful(
        JobGraph jobs, CancellationToken cancellation)
    {
        Job[] all = [.. Enumerable.Range(0, jobs.Count).Select(index => jobs[index])];
        Job[] shared = [.. all.Where(IsShared)];
        var connecting = Ready.Where(IsUseful)
            .OrderBy(builder => !MayBegin(builder))
            .ToArray()
            .ToDictionary(builder => builder, builder => Connect(builder, cancellation));
        return (connecting, [.. request.Builders.Where(builder => !builder.IsLocal && IsResting(builder) && IsUseful(builder))]);

        bool IsUseful(NixBuilder builder) => MayTake(builder, all) || MayHelp(builder);

        // A compile needs none of the features that its job asks for.
        bool MayHelp(NixBuilder builder)
        {
            var helper = builder.ToFarmBuilder();
            return Array.Exists(shared, job => LendingRules.MayHelp(job, helper));
        }

        // What can take a job at once is connected before what has to wait for others.
        bool MayBegin(NixBuilder builder) => MayTake(builder, all.Where(job => job.Dependencies.Count == 0));
    }

    private bool MayTake(NixBuilder builder, IEnumerable<Job> jobs)
    {
        FarmBuilder[] farm = [.. request.Builders.Where(other => other.IsLocal).Append(builder).Select(one => one.ToFarmBuilder())];
        return jobs.Any(job => Eligibility.OnFarm(job, farm)[^1].IsEligible);
    }

    private bool IsShared(Job job) => LendingRules.CanBeShared(job) && request.Rules.Scheduling.Share switch
    {
        ShareMode.Never => false,
        ShareMode.Always => true,
        _ => CompilePriors.For(job).Share > 0,
    };

    private bool IsResting(NixBuilder builder) => Troubles.GetValueOrDefault(builder.Name)?.PauseAt(now) > TimeSpan.Zero;

    private Task<Connected> Connect(NixBuilder builder, CancellationToken cancellation)
    {
        if (!connections.TryGetValue(builder.Name, out var connection))
        {
            connections.Add(builder.Name, connection = connector.TryConnectAsync(builder, cancellation));
        }
        return connection;
    }
}
