using System.Text;
using NixBuildFarm.Observing;
using NixBuildFarm.Reporting;

namespace NixBuildFarm.Core.Tests.Reporting;

/// <summary>The lines of all builds of a run, in one file.</summary>
public sealed class BuildOutputLogTests : IDisposable
{
    private readonly MemoryStream written = new();
    private readonly List<Exception> failures = [];

    public void Dispose() => written.Dispose();

    [Fact]
    public void A_line_has_its_derivation_and_builder_before_it_and_is_there_at_once()
    {
        using var log = new BuildOutputLog(written, failures.Add);

        log.Observe(new RunNews.Printed(Build("hello-2.12", "ruby"), "gcc -c ä"));
        Assert.Equal("hello-2.12 (ruby)> gcc -c ä\n", Text);

        log.Observe(new RunNews.Printed(Build("zlib", "local"), "make"));
        Assert.Equal("hello-2.12 (ruby)> gcc -c ä\nzlib (local)> make\n", Text);
    }

    [Fact]
    public void Nothing_in_it_controls_a_terminal()
    {
        using var log = new BuildOutputLog(written, failures.Add);

        log.Observe(new RunNews.Printed(Build("hello", "ruby"), "\e]0;stolen title\a\e[2Jplain \e[31mred\e[0m\rover\udc9b2J"));

        Assert.Equal("hello (ruby)> plain redover\ufffd2J\n", Text);
    }

    [Fact]
    public void When_no_more_can_be_written_that_is_told_once()
    {
        var full = new FullStream();
        using (var log = new BuildOutputLog(full, failures.Add))
        {
            log.Observe(new RunNews.Printed(Build("hello", "ruby"), "one"));
            log.Observe(new RunNews.Printed(Build("hello", "ruby"), "two"));
        }

        Assert.Equal("No space left", Assert.Single(failures).Message);
        Assert.Equal(1, full.Writes);
    }

    [Fact]
    public void Lines_after_the_end_are_dropped()
    {
        var log = new BuildOutputLog(written, failures.Add);
        log.Dispose();

        log.Observe(new RunNews.Printed(Build("hello", "ruby"), "late"));

        Assert.Empty(written.ToArray());
        Assert.Empty(failures);
    }

    [Fact]
    public void News_other_than_lines_are_not_in_the_file()
    {
        using var log = new BuildOutputLog(written, failures.Add);

        log.Observe(new RunNews.Decided("hello → ruby"));
        log.Observe(new RunNews.Progressed(new(1, 0, 0, [Build("hello", "ruby")])));

        Assert.Empty(written.ToArray());
    }

    private string Text => Encoding.UTF8.GetString(written.ToArray());

    private static RunningBuild Build(string name, string builder) => new(name, builder, DateTimeOffset.UnixEpoch, "building");
}
