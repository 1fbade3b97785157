using NixBuildFarm.Evaluation;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Building;

/// <summary>Shows Nix's messages during an evaluation in the streams of a command, and its activity as progress.</summary>
internal sealed class EvaluationDisplay : IDisposable
{
    /// <summary>The tag of the output of <c>builtins.trace</c> in the information stream.</summary>
    public const string Tag = "NixEvaluation";

    private const int LongestActivity = 200;
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly object gate = new();
    private readonly CommandOutput output;
    private readonly TimeProvider time;
    private readonly string title;
    private readonly long begun;
    private readonly ITimer timer;
    private readonly int id;
    private string doing = "";
    private bool isShown;
    private bool isClosed;

    /// <summary>Begins to show.</summary>
    /// <param name="output">Where.</param>
    /// <param name="named">What is evaluated, in the user's words.</param>
    /// <param name="time">The clock.</param>
    public EvaluationDisplay(CommandOutput output, IReadOnlyList<string> named, TimeProvider time)
    {
        (this.output, this.time) = (output, time);
        title = named is [var single] ? $"Evaluating {RunProgressDisplay.Short(single)}" : "Evaluating";
        id = new ProgressLines(time).FirstId;
        begun = time.GetTimestamp();
        timer = time.CreateTimer(_ => Show(), null, Patience, Interval);
    }

    /// <summary>Takes a message of Nix.</summary>
    public void Hear(EvaluationMessage message)
    {
        switch (message.Kind)
        {
            case EvaluationMessageKind.Warning: output.Warning(message.Text); break;
            case EvaluationMessageKind.Trace: output.Remark($"trace: {message.Text}", Tag); break;
            case EvaluationMessageKind.Activity:
                output.Verbose(message.Text);
                lock (gate) doing = message.Text.Length <= LongestActivity ? message.Text : message.Text[..LongestActivity];
                break;
            default: output.Verbose(message.Text); break;
        }
    }

    /// <summary>Takes the line away.</summary>
    public void Dispose()
    {
        timer.Dispose();
        lock (gate)
        {
            isClosed = true;
            if (isShown) output.Progress(ProgressLines.Ended(id, title));
        }
    }

    private void Show()
    {
        lock (gate)
        {
            if (isClosed) return;
            isShown = true;
            var status = $"for {HumanText.Span(time.GetElapsedTime(begun))}";
            output.Progress(new(id, title, doing.Length > 0 ? $"{status}: {doing}" : status));
        }
    }
}
