using System.Runtime.InteropServices;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Sharing;

namespace NixBuildFarm.Compiling;

/// <summary>Counts what has been compiled where, for one build. Safe for concurrent use.</summary>
/// <param name="home">The builder of the build.</param>
internal sealed class CompileTally(string home)
{
    /// <summary>A run's record holds so many compiles of a build: enough to be looked at.</summary>
    private const int MostSpans = 2000;

    private readonly object gate = new();
    private readonly Dictionary<string, int> underWay = [];
    private readonly Dictionary<string, Delivered> delivered = [];
    private readonly Dictionary<ShimTalk, DateTimeOffset> atHome = [];
    private readonly List<CompileSpan> spans = [];
    private int asked;
    private int reused;
    private int tried;
    private int lent;
    private int doneAtHome;
    private double secondsAtHome;
    private TimeSpan? foundAtHome;
    private int stayed;
    private double stayedSeconds;
    private int costs;
    private TimeSpan cost;

    /// <summary>The last thing that went wrong; null: nothing did.</summary>
    public string? Trouble { get; private set; }

    /// <summary>How many others did.</summary>
    public int Shared
    {
        get
        {
            lock (gate) return delivered.Values.Sum(builder => builder.Count);
        }
    }

    /// <summary>What is under way.</summary>
    public CompilesUnderWay UnderWay
    {
        get
        {
            lock (gate) return new(underWay.Values.Sum() + atHome.Count, underWay.Values.Count(count => count > 0) + 1);
        }
    }

    /// <summary>A compile was asked for.</summary>
    public void Ask()
    {
        lock (gate) asked++;
    }

    /// <summary>A helper begins with a compile.</summary>
    public void Begin(string helper)
    {
        lock (gate)
        {
            tried++;
            underWay[helper] = underWay.GetValueOrDefault(helper) + 1;
        }
    }

    /// <summary>A helper has nothing more to do with a compile.</summary>
    public void End(string helper)
    {
        lock (gate) underWay[helper]--;
    }

    /// <summary>A helper's result has gone to the build.</summary>
    /// <param name="span">The compile.</param>
    /// <param name="result">What the helper has told of it.</param>
    /// <param name="wasLent">Whether a helper had been asked.</param>
    public void Deliver(CompileSpan span, HelpersResult result, bool wasLent)
    {
        lock (gate)
        {
            if (wasLent) lent++;
            if (span.Builder == home)
            {
                doneAtHome++;
                secondsAtHome += result.Seconds;
                if (!result.WasThere) return;
                reused++;
                foundAtHome = Sum(foundAtHome, result.Result.ProcessorTime);
                return;
            }
            var before = delivered.GetValueOrDefault(span.Builder);
            var time = result.Result.ProcessorTime;
            // A compiler has one thread.
            if (!result.WasThere && time?.TotalSeconds > result.Seconds) time = TimeSpan.FromSeconds(result.Seconds);
            delivered[span.Builder] = new(before.Count + 1, before.Seconds + result.Seconds, Sum(before.ProcessorTime, time));
            if (result.WasThere) reused++;
            if (spans.Count < MostSpans) spans.Add(span);
        }
    }

    /// <summary>A shim has told the processor time that a compile which it did not do has cost at home.</summary>
    public void Spend(TimeSpan spent)
    {
        lock (gate)
        {
            costs++;
            cost += spent;
        }
    }

    /// <summary>A compile begins at home.</summary>
    public void BeginAtHome(ShimTalk talk, DateTimeOffset at)
    {
        lock (gate) atHome.TryAdd(talk, at);
    }

    /// <summary>A shim is gone, with the compiler that it became.</summary>
    public void EndAtHome(ShimTalk talk, DateTimeOffset at)
    {
        lock (gate)
        {
            if (!atHome.Remove(talk, out var begun)) return;
            doneAtHome++;
            secondsAtHome += (at - begun).TotalSeconds;
            if (talk.ReasonToStay is null) return;
            stayed++;
            stayedSeconds += (at - begun).TotalSeconds;
        }
    }

    /// <summary>The build has ended, and all compilers in it, although not every shim may have been heard of.</summary>
    public void EndAllAtHome(DateTimeOffset at)
    {
        lock (gate)
        {
            foreach (var talk in atHome.Keys.ToArray()) EndAtHome(talk, at);
        }
    }

    /// <summary>Something went wrong with a compile elsewhere.</summary>
    public void Failed(string message)
    {
        lock (gate) Trouble = message;
    }

    /// <summary>All of it, as if every builder were as fast as home.</summary>
    public SharedCompiles Sum()
    {
        lock (gate)
        {
            var elsewhere = delivered.Sum(builder => builder.Value.Seconds);
            var shared = delivered.Values.Sum(builder => builder.Count);
            // Those that were tried elsewhere in vain have cost about as much as those that were not.
            var read = Math.Max(costs, tried);
            return new()
            {
                Count = asked,
                Stayed = stayed,
                StayedSeconds = stayedSeconds,
                Shared = shared,
                Reused = reused,
                TakenBack = Math.Max(0, tried - lent),
                Builders =
                [
                    new(home, doneAtHome, secondsAtHome, IsHome: true),
                    .. delivered.OrderByDescending(builder => builder.Value.Count)
                        .Select(
                            builder => new BuilderCompiles(builder.Key, builder.Value.Count, builder.Value.Seconds, IsHome: false)
                            {
                                ProcessorTime = builder.Value.ProcessorTime,
                            }),
                ],
                Seconds = secondsAtHome + elsewhere,
                FoundAtHome = foundAtHome,
                Cost = costs == 0 ? TimeSpan.Zero : cost * read / costs,
                Spans = [.. spans],
            };
        }
    }

    /// <summary>Null where neither is known.</summary>
    private static TimeSpan? Sum(TimeSpan? one, TimeSpan? other) => one is { } known ? known + (other ?? TimeSpan.Zero) : other;

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Delivered(int Count, double Seconds, TimeSpan? ProcessorTime);
}
