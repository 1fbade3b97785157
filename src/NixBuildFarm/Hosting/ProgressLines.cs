using System.Management.Automation;

namespace NixBuildFarm.Hosting;

/// <summary>Gives each progress display of the session lines of its own, and limits how often a line is written.</summary>
internal sealed class ProgressLines
{
    /// <summary>A line is written at most once in this time.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private static int last = 0x4e69;

    private readonly TimeProvider time;
    private long? shown;

    /// <summary>Reserves lines.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="count">Number of lines.</param>
    public ProgressLines(TimeProvider time, int count = 1)
    {
        this.time = time;
        FirstId = Interlocked.Add(ref last, count) - count + 1;
    }

    /// <summary>The activity id of the first line; those of the others follow.</summary>
    public int FirstId { get; }

    /// <summary>Time since <see cref="Shown"/> was called last.</summary>
    public TimeSpan Age => shown is { } moment ? time.GetElapsedTime(moment) : TimeSpan.MaxValue;

    /// <summary>Whether the lines may be written again.</summary>
    public bool IsDue => Age >= Interval;

    /// <summary>Notes that the lines are written now.</summary>
    public void Shown() => shown = time.GetTimestamp();

    /// <summary>The record that takes a line away.</summary>
    public static ProgressRecord Ended(int id, string activity, int parent = -1) =>
        new(id, activity, "done") { ParentActivityId = parent, RecordType = ProgressRecordType.Completed };
}
