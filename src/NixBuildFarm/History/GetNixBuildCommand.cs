using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.History;

/// <summary><para type="synopsis">Lists past runs, the newest first, or the results of their derivations.</para></summary>
[Cmdlet(VerbsCommon.Get, "NixBuild")]
[OutputType(typeof(NixBuildRun), typeof(NixBuildResult), typeof(NixBuildComparison))]
public sealed class GetNixBuildCommand : AsyncCommand
{
    private const int LogLines = 25;
    private readonly List<string> runs = [];

    /// <summary>Ids of runs, or beginnings of them.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("RunId", "Id")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RunCompleter))]
    public string[] Run { get; set; } = [];

    /// <summary>The newest so many of those that fit the rest.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int? Last { get; set; }

    /// <summary>Runs that ended so, or go on.</summary>
    [Parameter]
    public RunState? State { get; set; }

    /// <summary>Runs in which this builder worked; <c>*</c> and <c>?</c> stand for anything.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public string? Builder { get; set; }

    /// <summary>Runs that began then or later.</summary>
    [Parameter]
    public DateTimeOffset? After { get; set; }

    /// <summary>Runs that began before.</summary>
    [Parameter]
    public DateTimeOffset? Before { get; set; }

    /// <summary>Runs with a derivation of this name; <c>*</c> and <c>?</c> stand for anything.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string? Name { get; set; }

    /// <summary>Writes the results of derivations instead of the runs; with Name and Builder only those that match.</summary>
    [Parameter]
    public SwitchParameter Result { get; set; }

    /// <summary>
    /// The id of an earlier run, or the beginning of it: writes what has become of each derivation since, in the newest run if none is
    /// named; with Name and Builder only of derivations that match, in whichever of both runs.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RunCompleter))]
    public string? ComparedTo { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => runs.AddRange(Run);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // Nothing through the pipeline asks for nothing, not for all.
        if (MyInvocation.ExpectingInput && runs.Count == 0) return;
        Await((output, cancellation) =>
        {
            using var history = ReadOnlyHistory.Open();
            var earlier = ComparedTo is null ? null : history.Run(ComparedTo);
            foreach (var run in history.Choose(runs, Filter, output))
            {
                cancellation.ThrowIfCancellationRequested();
                if (earlier is not null) WriteComparisons(history.Run(run.RunId), earlier, output);
                else if (Result) WriteResults(history.Run(run.RunId), output);
                else output.Object(run);
            }
            return Task.CompletedTask;
        });
    }

    private RunFilter Filter
    {
        get
        {
            var filter = new RunFilter { State = State, After = After, Before = Before, Newest = Last };
            if (ComparedTo is null) return filter with { Name = Name, Builder = Builder };
            // What is gone is in the earlier run alone: a name chooses derivations there, and no runs. One run is enough of an answer.
            return runs.Count > 0 ? filter : filter with { Newest = Last ?? 1 };
        }
    }

    private void WriteResults(RunRecord run, CommandOutput output)
    {
        var (name, builder) = (Pattern(Name), Pattern(Builder));
        foreach (var result in run.ToResults(LogLines).Where(result => Fits(name, result.Name) && Fits(builder, result.Builder)))
        {
            output.Object(result);
        }
    }

    private void WriteComparisons(RunRecord run, RunRecord earlier, CommandOutput output)
    {
        var (name, builder) = (Pattern(Name), Pattern(Builder));
        foreach (var one in RunComparison.Of(run, earlier))
        {
            if (Fits(name, one.Name) && (Fits(builder, one.Builder) || Fits(builder, one.BuilderThen))) output.Object(one);
        }
    }

    private static WildcardPattern? Pattern(string? text) => text is null ? null : WildcardPattern.Get(text, WildcardOptions.IgnoreCase);

    private static bool Fits(WildcardPattern? pattern, string? text) => pattern is null || (text is not null && pattern.IsMatch(text));
}
