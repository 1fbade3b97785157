using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
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
        var request = new BuildRequest { Evaluate = _ => Task.FromResult<IReadOnlyList<RequestedDerivation>>([new(StorePath.Parse(derivation), [])]), Builders = builders, CopyBack = copyBack };
        await new BuildRun(request, Session.Transports, NoHistory.Instance, observer).RunAsync(CancellationToken.None);
        if (observer.problems.Count > 0) throw new InvalidOperationException(string.Join('\n', observer.problems));
    }

    public void Ended(NixBuildResult result)
    {
        if (!result.Success) problems.Add($"{result.Name}: {result.Error}");
    }

    public void BuilderFailed(NixBuilder builder, NixBuildFarmException error) => problems.Add(error.Message);

    public void HistoryFailed(HistoryException error) => problems.Add(error.Message);

    public void Decided(string message)
    {
        // Nobody looks.
    }

    public void Degraded(string message) => problems.Add(message);

    public void Printed(RunningBuild build, string line)
    {
        // Nobody looks.
    }

    public void Progressed(RunProgress progress)
    {
        // Nobody looks.
    }
}
