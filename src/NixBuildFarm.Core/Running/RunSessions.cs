using System.Collections.Concurrent;
using NixBuildFarm.Deciding;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.Running;

/// <summary>The sessions behind the builders that decisions speak of. Safe for concurrent use.</summary>
/// <param name="history">Knows what was built before.</param>
internal sealed class RunSessions(RunHistory history)
{
    private readonly ConcurrentDictionary<RunBuilder, BuilderSession> sessions = new();
    private readonly ConcurrentDictionary<string, int> connections = new();

    /// <summary>The session of a builder, also after it was lost.</summary>
    public BuilderSession this[RunBuilder builder] => sessions[builder];

    /// <summary>All of them, also of builders that were lost.</summary>
    public IEnumerable<BuilderSession> All => sessions.Values;

    /// <summary>Gives a new session a builder.</summary>
    public RunBuilder Add(BuilderSession session)
    {
        var generation = connections.AddOrUpdate(session.Builder.Name, 0, (_, before) => before + 1);
        var facts = session.Facts;
        var builder = new RunBuilder(session.Builder, generation, facts.Machine.Memory, facts.System, facts.NixVersion)
        {
            FirstReading = facts.Machine.Reading,
            LeftLoad = history.LoadLeftOn(session.Builder),
        };
        sessions[builder] = session;
        return builder;
    }
}
