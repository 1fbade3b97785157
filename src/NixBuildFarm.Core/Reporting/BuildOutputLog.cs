using System.Text;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Text;

namespace NixBuildFarm.Reporting;

/// <summary>
/// Writes the output of all builds of a run to one file, each line with its derivation and builder before it. If the file cannot be written
/// any more, the run goes on without it.
/// </summary>
public sealed class BuildOutputLog : IBuildObserver, IDisposable
{
    private readonly object gate = new();
    private readonly BestEffortOutput output;

    /// <summary>Writes to a stream, which it closes at its end.</summary>
    /// <param name="output">Where lines go.</param>
    /// <param name="onFailure">Receives the first failure to write.</param>
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
                // Bytes that are no UTF-8 are replaced: single bytes can control a terminal as well.
                stream.Write(Encoding.UTF8.GetBytes(Tagged(build, line) + '\n'));
                // Somebody may be following the file.
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
