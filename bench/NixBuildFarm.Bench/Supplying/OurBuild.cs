using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Running;
using NixBuildFarm.Store;

namespace NixBuildFarm.Bench.Supplying;

/// <summary>Builds as Invoke-NixDistributedBuild does, without a history.</summary>
internal sealed class OurBuild : IBuildObserver
{
    private readonly List<string> problems = [];

    /// <summary>Builds a derivation on some builders; nothing less than success is a result.</summary>
    public static async Task RunAsync(string derivation, IReadOnlyList<NixBuilder> builders, CopyBack copyBack)
    {
        var observer = new OurBuild();
        IReadOnlyList<RequestedDerivation> requested = [new(StorePath.Parse(derivation), [])];
        var request = new BuildRequest { Evaluate = _ => Task.FromResult(requested), Builders = builders, CopyBack = copyBack };
        await new BuildRun(request, Session.Transports, NoHistory.Instance, observer).RunAsync(CancellationToken.None);
        if (observer.problems.Count > 0) throw new InvalidOperationException(string.Join('\n', observer.problems));
    }

    public void Observe(RunNews news)
    {
        switch (news)
        {
            case RunNews.Ended({ Success: false } result): problems.Add($"{result.Name}: {result.Error}"); break;
            case RunNews.BuilderFailed(_, var error): problems.Add(error.Message); break;
            case RunNews.HistoryFailed(var error): problems.Add(error.Message); break;
            case RunNews.Degraded(var message): problems.Add(message); break;
        }
    }
}
