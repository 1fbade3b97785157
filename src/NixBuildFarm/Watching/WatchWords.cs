using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Reporting.Events;
using NixBuildFarm.Text;

namespace NixBuildFarm.Watching;

/// <summary>A run as plain lines, one for what has just happened: for screen readers, dumb terminals and files.</summary>
internal static class WatchWords
{
    /// <summary>The line for an event that was applied; null: it is not worth one.</summary>
    public static string? Of(WatchedRun run, RunEventLine line) => line.Event switch
    {
        RunEventKind.RunBegan => $"The run {run.RunId} builds {TerminalText.Strip(string.Join(", ", run.Requested))}.",
        RunEventKind.WorkFound => $"{HumanText.Count(line.Derivations?.Count ?? 0, "derivation")} to build or fetch.",
        RunEventKind.BuildBegan when line.Phase == "supplying" => $"{line.Builder} receives the inputs of {line.Name}.",
        RunEventKind.BuildBegan => $"{line.Builder} builds {line.Name}{Expectation(line)}.",
        RunEventKind.PhaseBegan => $"{line.Name} on {line.Builder}: {TerminalText.Strip(line.Phase ?? "")}.",
        RunEventKind.DerivationEnded => Ended(run, line),
        RunEventKind.Progress when run.HasTurned => line.Pushing > 0 ? "What is built is pushed to other stores." : "All is pushed.",
        RunEventKind.MachineRead when run.HasTurned => line.OtherBuilds is > 0 and var others
            ? $"{line.Builder} has {HumanText.Count(others, "build")} of others as well."
            : $"{line.Builder} has no build of others any more.",
        RunEventKind.Warning => $"Warning: {TerminalText.Strip(line.Message ?? "").ReplaceLineEndings(" ")}",
        RunEventKind.RunEnded => $"The run has ended: {line.State}.",
        _ => null,
    };

    private static string Expectation(RunEventLine line) => line.ExpectedSeconds is not { } seconds ? ""
        : line.IsGuess == true ? $", {HumanText.Guess(TimeSpan.FromSeconds(seconds))}"
        : $", about {HumanText.Span(TimeSpan.FromSeconds(seconds))}";

    private static string Ended(WatchedRun run, RunEventLine line)
    {
        var count = run.Total > 0 ? $" {run.Done} of {run.Total} done." : "";
        var place = line.Builder is { } builder ? $" on {builder}" : "";
        var span = line.Seconds is > 0 and var seconds ? $" after {HumanText.Span(TimeSpan.FromSeconds(seconds))}" : "";
        if (line.Status?.HasFailed() != true) return $"{line.Status}: {line.Name}{place}{span}.{count}";
        var phase = line.Phase is { } name ? $", in {TerminalText.Strip(name)}" : "";
        var last = line.LogTail is [.., var end] ? $" Its last line: {TerminalText.Strip(end)}" : "";
        return $"{line.Status}: {line.Name}{place}{phase}{span}.{last}";
    }
}
