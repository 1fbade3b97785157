using NixBuildFarm.Builders.Policies;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Running;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Serving;

/// <summary>Builds each order as a run on the farm.</summary>
/// <param name="template">The builders, and how the owner of the front wants things built.</param>
/// <param name="transports">How builders are reached.</param>
/// <param name="history">What earlier runs have taught, and what these teach.</param>
/// <param name="observer">Is told of all runs.</param>
internal sealed class FarmBuilds(BuildRequest template, IBuilderTransportFactory transports, IRunHistory history, IBuildObserver observer) : IBuildService
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<NixBuildResult>> BuildAsync(BuildOrder order, IBuildObserver client, CancellationToken cancellation)
    {
        var request = template with
        {
            Evaluate = _ => Task.FromResult(order.Derivations),
            KeepGoing = template.KeepGoing || order.Settings.KeepGoing,
            MaxSilentTime = template.MaxSilentTime ?? order.Settings.MaxSilentTime,
            Timeout = template.Timeout ?? order.Settings.Timeout,
            Cores = template.Cores ?? order.Settings.Cores,
            // The local daemon, which answers the client then, is to find all that it asks for.
            CopyBack = template.CopyBack == CopyBack.None ? CopyBack.Requested : template.CopyBack,
            IsCopyBackGiven = true,
        };
        return await new BuildRun(request, transports, history, new CombinedObserver(observer, client), order.Source).RunAsync(cancellation);
    }
}
