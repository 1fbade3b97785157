using System.Globalization;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Serving;

/// <summary>
/// Who asks the farm to build, and how urgently. It is the user that the kernel names. The farm's own user may tell several apart who come
/// by the same account, a colleague for each key, say; and anybody's command may say how urgent it is: both in its environment, which the
/// farm reads where the kernel lets it.
/// </summary>
/// <param name="User">Names the user among all.</param>
/// <param name="Priority">How urgent it is among what the same user asks for.</param>
internal sealed record Asker(string User, BuildPriority Priority)
{
    /// <summary>The environment variable that names one of several who share an account.</summary>
    public const string UserVariable = "NIXBUILDFARM_USER";

    /// <summary>The one at the other end of a socket.</summary>
    public static Asker Of(SocketPeer peer)
    {
        var said = ProcessEnvironment.Of(peer.Process);
        var user = peer.User.ToString(CultureInfo.InvariantCulture);
        if (peer.IsThisUser && said.GetValueOrDefault(UserVariable) is { Length: > 0 } name) user = $"{user} {name}";
        var given = said.GetValueOrDefault(FarmClient.PriorityVariable);
        var isGiven = Enum.TryParse<BuildPriority>(given, ignoreCase: true, out var priority);
        return new(user, isGiven && Enum.IsDefined(priority) ? priority : BuildPriority.Normal);
    }
}

/// <summary>The farm, as one who asks has it: each order says who that is.</summary>
internal sealed class AskedBuilds(IBuildService builds, Asker asker) : IBuildService
{
    /// <inheritdoc/>
    public IReadOnlyList<string> Runs => builds.Runs;

    /// <inheritdoc/>
    public BuildTicket Begin(BuildOrder order, IBuildObserver observer, CancellationToken cancellation) =>
        builds.Begin(order with { Asker = asker }, observer, cancellation);

    /// <inheritdoc/>
    public bool Stop(string runId) => builds.Stop(runId);
}
