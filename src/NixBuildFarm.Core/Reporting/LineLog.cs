using System.Text;
using NixBuildFarm.Observing;
using NixBuildFarm.Text;

namespace NixBuildFarm.Reporting;

/// <summary>
/// Writes what all builds of a run print to one file, each line as it comes and with its derivation and builder before it. Where the file
/// cannot be written any more the run goes on without it.
/// </summary>
public sealed class LineLog : IBuildObserver, IDisposable
{
    private readonly object gate = new();
    private readonly Action<IOException> onFailure;
    private Stream? output;

    /// <summary>Writes to a stream, which it closes at its end.</summary>
    /// <param name="output">Where lines go.</param>
    /// <param name="onFailure">Is told once when no more can be written.</param>
    public LineLog(Stream output, Action<IOException> onFailure)
    {
        this.output = output;
        this.onFailure = onFailure;
    }

    /// <summary>A line as it is shown: whose it is comes first, and nothing in it controls a terminal.</summary>
    public static string Tagged(RunningBuild build, string line) => $"{build.Name} ({build.Builder})> {TerminalText.Strip(line)}";

    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        if (news is not RunNews.Printed(var build, var line)) return;
        lock (gate)
        {
            Try(() =>
            {
                // What is no UTF-8 is replaced: single bytes can control a terminal as well.
                output?.Write(Encoding.UTF8.GetBytes(Tagged(build, line) + '\n'));
                // Somebody may be following.
                output?.Flush();
            });
        }
    }

    /// <summary>Closes the stream.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            Try(() => output?.Dispose());
            output = null;
        }
    }

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException e)
        {
            var broken = output;
            output = null;
            onFailure(e);
            Close(broken);
        }
    }

    // What is buffered cannot be written either, and closing tries to.
    private static void Close(Stream? broken)
    {
        try
        {
            broken?.Dispose();
        }
        catch (IOException)
        {
            // It was told before.
        }
    }
}
