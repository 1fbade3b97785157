using System.Diagnostics;
using System.Xml.Linq;
using NixBuildFarm.History;
using NixBuildFarm.Reporting;

namespace NixBuildFarm.Core.Tests.Reporting;

/// <summary>A run as JUnit XML, read by another program's parser.</summary>
public sealed class JUnitReportTests : IDisposable
{
    private const string Reader = """
        import sys
        from junitparser import JUnitXml
        for suite in JUnitXml.fromfile(sys.argv[1]):
            print("suite", suite.tests, suite.failures, suite.errors, suite.skipped)
            for case in suite:
                print(case.name, case.classname, round(case.time, 3), *[type(result).__name__ for result in case.result])
        """;

    /// <summary>The system's: it has the packages of the system.</summary>
    private const string Python = "/usr/bin/python3";

    private readonly string folder = Directory.CreateTempSubdirectory("nixbuildfarm-junit-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_parser_of_others_finds_each_derivation_with_its_result()
    {
        Assert.SkipUnless(File.Exists(Python), "There is no python3 here.");
        var file = Path.Combine(folder, "run.xml");
        await using (var output = File.Create(file)) JUnitReport.Write(SampleRun.In(folder).ToReport(), output);

        using var python = Process.Start(new ProcessStartInfo(Python, ["-c", Reader, file])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        var errors = python.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var lines = (await python.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).TrimEnd().Split('\n');
        var isMissing = (await errors).Contains("No module named 'junitparser'", StringComparison.Ordinal);
        Assert.SkipWhen(isMissing, "There is no junitparser here.");

        Assert.Equal("", await errors);
        Assert.Equal(
            [
                "suite 7 2 1 2", "good x86_64-linux 9.0", "bad x86_64-linux 3.0 Failure", "above x86_64-linux 0.0 Skipped",
                "alien x86_64-linux 0.0 Error", "slow x86_64-linux 4.0 Failure", "late x86_64-linux 0.0 Skipped", "old x86_64-linux 0.0",
            ],
            lines);
    }

    [Theory]
    [InlineData(RunState.Stopped, "The run ended as Stopped.", null)]
    [InlineData(RunState.Failed, "the store is full", "the store is full")]
    public void A_run_that_went_wrong_without_a_failed_build_is_an_error_itself(RunState state, string message, string? error)
    {
        using var output = new MemoryStream();
        JUnitReport.Write((SampleRun.In(folder) with { State = state, Error = error, Jobs = [] }).ToReport(), output);
        output.Position = 0;

        var suite = XDocument.Load(output).Descendants("testsuite").Single();

        Assert.Equal(("1", "1"), (suite.Attribute("tests")!.Value, suite.Attribute("errors")!.Value));
        var testCase = suite.Element("testcase")!;
        Assert.Equal("run", testCase.Attribute("name")!.Value);
        Assert.Equal(message, testCase.Element("error")!.Attribute("message")!.Value);
    }

    [Fact]
    public void The_end_of_a_log_is_text_whatever_is_in_it()
    {
        using var output = new MemoryStream();
        JUnitReport.Write(SampleRun.In(folder).ToReport(), output);
        output.Position = 0;

        var failure = XDocument.Load(output).Descendants("failure").First();

        Assert.StartsWith("in buildPhase\ncompiling\n<b>& \"q\" | `x`  ]]>", failure.Value, StringComparison.Ordinal);
        Assert.Contains("😀", failure.Value, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', failure.Value);
    }
}
