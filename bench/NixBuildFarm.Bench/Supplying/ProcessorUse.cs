using System.Globalization;

namespace NixBuildFarm.Bench.Supplying;

/// <summary>
/// What each program of the farm spends on the processor, those on builders too: they are processes of this machine. Looked at ten times a
/// second, so what a process does in its last moments is missed.
/// </summary>
internal sealed class ProcessorUse : IAsyncDisposable
{
    private const double TicksPerSecond = 100; // of every Linux [proc(5)]
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly Dictionary<string, (string Program, double First, double Last)> processes = [];
    private readonly CancellationTokenSource stop = new();
    private readonly Task watching;

    /// <summary>Watches from now on.</summary>
    public ProcessorUse()
    {
        Look(isFirst: true);
        watching = WatchAsync();
    }

    /// <summary>Stops watching, and tells the seconds of each program, this one being ours.</summary>
    public async Task<IReadOnlyDictionary<string, double>> StopAsync()
    {
        await stop.CancelAsync();
        await watching;
        Look(isFirst: false);
        return processes.Values.GroupBy(p => p.Program).ToDictionary(group => group.Key, group => group.Sum(p => p.Last - p.First));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await watching;
        stop.Dispose();
    }

    private async Task WatchAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            Look(isFirst: false);
            await Task.Delay(Pause, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Look(bool isFirst)
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(folder => char.IsAsciiDigit(folder["/proc/".Length])))
        {
            string stat;
            try
            {
                stat = File.ReadAllText(folder + "/stat");
            }
            catch (IOException)
            {
                continue; // it has ended
            }
            // The name stands in parentheses and may hold any; behind it come the state and 10 fields, then user and system time.
            var name = stat[(stat.IndexOf('(', StringComparison.Ordinal) + 1)..stat.LastIndexOf(')')];
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            var seconds = (
                double.Parse(fields[11], CultureInfo.InvariantCulture)
                    + double.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond;
            var program = folder == $"/proc/{Environment.ProcessId}" ? "ours" : name;
            var before = processes.TryGetValue(folder, out var known) ? known.First : isFirst ? seconds : 0;
            processes[folder] = (program, before, seconds);
        }
    }
}
