using NixBuildFarm.Hosting;
using NixBuildFarm.Observing;

namespace NixBuildFarm.Serving;

/// <summary>Shows the runs of a front in the streams of the command that has it. What failed the client that asked says itself.</summary>
internal sealed class FarmObserver(CommandOutput output) : IBuildObserver
{
    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        switch (news)
        {
            case RunNews.BuilderFailed(_, var error):
                output.Warning(string.Join(' ', new[] { error.Message, error.Recommendation }.OfType<string>()));
                break;
            case RunNews.HistoryFailed(var error):
                output.Warning($"{error.Message} The builds go on without it. {error.Recommendation}");
                break;
            case RunNews.Degraded(var message): output.Warning(message); break;
            case RunNews.Decided(var message): output.Verbose(message); break;
        }
    }
}
