using System.Management.Automation;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Building;

/// <summary>
/// Holds back what a command writes while the whole terminal shows something else; all comes in its order. Objects, errors and warnings are
/// never lost. Of the rest, which a build may print without end, the latest is kept, and what is left out is counted.
/// </summary>
internal sealed class HeldOutput(CommandOutput output) : CommandOutput
{
    /// <summary>How many records that are neither objects, errors nor warnings are held at most.</summary>
    internal const int MostRecords = 10_000;

    private const string Tag = "NixBuildLeftOut";

    private readonly object gate = new();
    private readonly LinkedList<Action> held = [];
    private readonly Queue<LinkedListNode<Action>> records = [];
    private int leftOut;
    private bool isHolding;

    /// <summary>Begins to hold back.</summary>
    public void Hold()
    {
        lock (gate) isHolding = true;
    }

    /// <summary>Writes what was held back, and holds nothing back any more.</summary>
    public void Release()
    {
        lock (gate)
        {
            isHolding = false;
            if (leftOut > 0)
            {
                var message = $"What came while the whole terminal showed the run: {HumanText.Count(leftOut, "older line")} left out here.";
                output.Information(message, Tag);
                output.Verbose(message);
            }
            foreach (var write in held) write();
            held.Clear();
            records.Clear();
            leftOut = 0;
        }
    }

    public override void Object(object value) => Write(() => output.Object(value));

    public override void Error(ErrorRecord error) => Write(() => output.Error(error));

    public override void Warning(string message) => Write(() => output.Warning(message));

    public override void Verbose(string message) => WriteRecord(() => output.Verbose(message));

    public override void Debug(string message) => WriteRecord(() => output.Debug(message));

    public override void Information(object message, params string[] tags) => WriteRecord(() => output.Information(message, tags));

    // What has been is no progress later.
    public override void Progress(ProgressRecord record)
    {
        lock (gate)
        {
            if (!isHolding) output.Progress(record);
        }
    }

    private void Write(Action write)
    {
        lock (gate)
        {
            if (isHolding) held.AddLast(write);
            else write();
        }
    }

    private void WriteRecord(Action write)
    {
        lock (gate)
        {
            Write(write);
            if (!isHolding) return;
            records.Enqueue(held.Last!);
            if (records.Count <= MostRecords) return;
            held.Remove(records.Dequeue());
            leftOut++;
        }
    }
}
