using System.Management.Automation;
using NixBuildFarm.Building;
using NixBuildFarm.Hosting;
using NixBuildFarm.Observing;

namespace NixBuildFarm.View.Tests;

/// <summary>How a run looks while it goes on, and what is done when it has ended.</summary>
public sealed class RunProgressTests
{
    private readonly RecordedOutput output = new();

    [Fact]
    public void A_guess_does_not_look_like_knowledge()
    {
        Show(isGuess: true);

        Assert.EndsWith(", guess: 1 m 30 s to go", output.Records[0].StatusDescription, StringComparison.Ordinal);
        Assert.Equal(-1, output.Records[0].SecondsRemaining);
        Assert.EndsWith("guess: 5.0 s)", output.Records[1].StatusDescription, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_known_is_shown_as_such()
    {
        Show(isGuess: false);

        Assert.InRange(output.Records[0].SecondsRemaining, 80, 90);
        Assert.EndsWith("of about 5.0 s)", output.Records[1].StatusDescription, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_held_back_comes_later_in_its_order()
    {
        var held = new HeldOutput(output);

        held.Hold();
        held.Object("one");
        held.Warning("two");
        held.Progress(new(1, "a", "b"));
        Assert.Empty(output.Texts);
        held.Release();
        held.Object("three");

        Assert.Equal(["one", "two", "three"], output.Texts);
        Assert.Empty(output.Records);
    }

    [Fact]
    public void What_is_held_back_has_a_limit_and_loses_no_object_error_or_warning()
    {
        var held = new HeldOutput(output);

        held.Hold();
        held.Object("object");
        held.Warning("warning");
        for (var i = 0; i < HeldOutput.MostRecords + 2; i++) held.Information($"line {i}");
        held.Release();

        Assert.Contains("2 older lines left out", output.Texts[0], StringComparison.Ordinal);
        Assert.Equal(["object", "warning", "line 2"], output.Texts.Skip(2).Take(3));
        Assert.Equal($"line {HeldOutput.MostRecords + 1}", output.Texts[^1]);
    }

    private void Show(bool isGuess)
    {
        var build = new RunningBuild("hello", "ruby", DateTimeOffset.UtcNow.AddSeconds(-10), "building")
        {
            Expected = TimeSpan.FromSeconds(5), IsGuess = isGuess,
        };
        using var display = new RunProgressDisplay(output, ["hello"], TimeProvider.System);
        display.Show(new(1, 0, 0, [build]) { Remaining = TimeSpan.FromSeconds(90), IsRemainingGuess = isGuess });
    }

    private sealed class RecordedOutput : CommandOutput
    {
        public List<ProgressRecord> Records { get; } = [];

        public List<string> Texts { get; } = [];

        public override void Object(object value) => Texts.Add($"{value}");

        public override void Error(ErrorRecord error) => Texts.Add(error.ToString());

        public override void Warning(string message) => Texts.Add(message);

        public override void Verbose(string message) => Texts.Add(message);

        public override void Debug(string message) => Texts.Add(message);

        public override void Information(object message, params string[] tags) => Texts.Add($"{message}");

        public override void Progress(ProgressRecord record) => Records.Add(record);
    }
}
