using Markdig;
using Markdig.Extensions.Tables;
using Markdig.Syntax;
using NixBuildFarm.History;
using NixBuildFarm.Reporting;

namespace NixBuildFarm.Core.Tests.Reporting;

/// <summary>A run as Markdown, read by another project's parser.</summary>
public sealed class MarkdownSummaryTests : IDisposable
{
    private static readonly MarkdownPipeline Pipeline = new MarkdownPipelineBuilder().UsePipeTables().Build();

    private readonly string folder = Directory.CreateTempSubdirectory("nixbuildfarm-markdown-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Failures_come_first_with_the_ends_of_their_logs()
    {
        var page = Markdown.Parse(MarkdownSummary.Text(SampleRun.In(folder).ToReport()), Pipeline);

        string[] parts = [.. page.Where(block => block is HeadingBlock or FencedCodeBlock or Table).Select(block => block.GetType().Name)];
        Assert.Equal(["HeadingBlock", "HeadingBlock", "FencedCodeBlock", "HeadingBlock", "HeadingBlock", "Table", "Table"], parts);
        var log = page.OfType<FencedCodeBlock>().Single().Lines.ToString();
        Assert.Contains("```", log, StringComparison.Ordinal);
        Assert.EndsWith("it does not compile", log.TrimEnd(), StringComparison.Ordinal);
    }

    [Fact]
    public void Two_runs_are_compared_in_tables_what_failed_first_then_what_differs_most()
    {
        var run = SampleRun.In(folder);
        var then = run with { Id = "20260228-120000-beef", Jobs = [.. run.Jobs.Select(job => Before(job))] };

        var text = MarkdownSummary.Text(run.ToReport(then));

        var tables = Markdown.Parse(text, Pipeline).OfType<Table>().ToArray();
        Assert.Contains("### Compared with run 20260228-120000-beef", text, StringComparison.Ordinal);
        Assert.Contains("| Makespan | 6.5 s | 9.5 s | +3.0 s |", text, StringComparison.Ordinal);
        Assert.Contains("\n1 slower, 2 failed.\n", text, StringComparison.Ordinal);
        Assert.Contains("| good | slower | 6.0 s on ruby | 9.0 s on ruby | +3.0 s |", text, StringComparison.Ordinal);
        Assert.Equal(4, tables[1].Count);
        Assert.True(text.IndexOf("| bad |", StringComparison.Ordinal) < text.IndexOf("| good |", StringComparison.Ordinal));

        static RecordedJob Before(RecordedJob job) => job.Job.Name switch
        {
            "good" => job with { Seconds = 6 },
            "bad" or "slow" => job with { Status = NixBuildStatus.DependencyFailed, Start = null, Error = null },
            _ => job,
        };
    }

    [Fact]
    public void A_duration_of_more_than_a_day_keeps_its_hours()
    {
        var run = SampleRun.In(folder);

        var page = MarkdownSummary.Text((run with { Ended = run.Started.AddHours(49.5) }).ToReport());

        Assert.Contains(" done in 49:30:00;", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_page_that_would_be_too_long_says_which_logs_it_lacks()
    {
        var run = SampleRun.In(folder);
        var bad = run.Jobs.First(job => job.Status == NixBuildStatus.Failed);
        File.WriteAllLines(bad.LogPath!, Enumerable.Repeat(new string('x', 4000), 20));

        var page = MarkdownSummary.Text((run with { Jobs = [.. Enumerable.Repeat(bad, 10)] }).ToReport());

        Assert.InRange(page.Length, 400_000, 510_000);
        Assert.Contains("too long with the ends of 4 more logs", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_and_errors_are_text_whatever_is_in_them()
    {
        var page = Markdown.ToHtml(MarkdownSummary.Text(SampleRun.In(folder).ToReport()), Pipeline);

        Assert.DoesNotContain("<b>", page, StringComparison.Ordinal);
        Assert.Contains("exit code 1: &lt;b&gt;&amp; &quot;q&quot; | `x`", page, StringComparison.Ordinal);
    }
}
