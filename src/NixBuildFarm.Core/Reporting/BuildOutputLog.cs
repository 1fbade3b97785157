using System.Text;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Text;

namespace NixBuildFarm.Reporting;

/// <summary>
/// Writes what all builds of a run print to one file, each line as it comes and with its derivation and builder before it. Where the file
/// cannot be written any more the run goes on without it.
/// </summary>
public sealed class BuildOutputLog : IBuildObserver, IDisposable
{
    private readonly object gate = new();
    private readonly BestEffortOutput output;

    /// <summary>Writes to a stream, which it closes at its end.</summary>
    /// <param name="output">Where lines go.</param>
    /// <param name="onFailure">Is told once when no more can be written.</param>
    public BuildOutputLog(Stream output, Action<Exception> onFailure) => this.output = new(output, onFailure);

    /// <summary>A line as it is shown: whose it is comes first, and nothing in it controls a terminal.</summary>
    public static string Tagged(RunningBuild build, string line) => $"{build.Name} ({build.Builder})> {TerminalText.Strip(line)}";

    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        if (news is not RunNews.Printed(var build, var line)) return;
        lock (gate)
        {
            output.Write(stream =>
            {
                // What is no UTF-8 is replaced: single bytes can control a terminal as well.
                stream.Write(Encoding.UTF8.GetBytes(Tagged(build, line) + '\n'));
                // Somebody may be following.
                stream.Flush();
            });
        }
    }

    /// <summary>Closes the stream.</summary>
    public void Dispose()
    {
        lock (gate) output.Dispose();
    }
}
