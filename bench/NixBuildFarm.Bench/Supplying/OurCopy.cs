using NixBuildFarm.Builders;
using NixBuildFarm.Copying;
using NixBuildFarm.Errors;
using NixBuildFarm.Observing;
using NixBuildFarm.Store;

namespace NixBuildFarm.Bench.Supplying;

/// <summary>Copies as Copy-NixStorePath does.</summary>
internal sealed class OurCopy : ICopyObserver
{
    private readonly List<string> problems = [];

    /// <summary>Copies paths; nothing less than all of them is a result.</summary>
    public static async Task RunAsync(NixBuilder? from, NixBuilder? to, IReadOnlyList<string> paths)
    {
        var observer = new OurCopy();
        var request = new PathCopyRequest { Paths = [.. paths.Select(StorePath.Parse)] };
        if (from is not null) request = request with { From = from };
        if (to is not null) request = request with { To = [to] };
        await new PathCopier(request, Session.Transports, observer).CopyAsync(CancellationToken.None);
        if (observer.problems.Count > 0) throw new InvalidOperationException(string.Join('\n', observer.problems));
    }

    public void Copied(NixStorePathCopy copy)
    {
        // Nobody looks.
    }

    public void PathFailed(string path, NixBuildFarmException error) => problems.Add(error.Message);

    public void Observe(RunNews news)
    {
        if (news is RunNews.BuilderFailed(_, var error)) problems.Add(error.Message);
        if (news is RunNews.Degraded(var message)) problems.Add(message);
    }

    public void Progressed(CopyProgress progress)
    {
        // Nobody looks.
    }
}
