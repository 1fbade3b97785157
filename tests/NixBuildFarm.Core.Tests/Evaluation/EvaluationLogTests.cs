using NixBuildFarm.Evaluation;

namespace NixBuildFarm.Core.Tests.Evaluation;

/// <summary>What Nix writes while it evaluates is told apart: errors, warnings, traces and what it does.</summary>
public class EvaluationLogTests
{
    private readonly List<EvaluationMessage> heard = [];

    [Theory]
    [InlineData(
        """@nix {"action":"msg","level":1,"msg":"\u001b[35;1mwarning:\u001b[0m Git tree '/src' is dirty"}""",
        EvaluationMessageKind.Warning,
        "Git tree '/src' is dirty")]
    [InlineData("""@nix {"action":"msg","level":0,"msg":"trace: first\nsecond"}""", EvaluationMessageKind.Trace, "first\nsecond")]
    [InlineData(
        """@nix {"action":"start","id":1,"level":3,"parent":0,"text":"building '/nix/store/x.drv'","type":105,"fields":[]}""",
        EvaluationMessageKind.Activity,
        "building '/nix/store/x.drv'")]
    [InlineData(
        """@nix {"action":"msg","level":2,"msg":"path '/src' does not contain a 'flake.nix', searching up"}""",
        EvaluationMessageKind.Note,
        "path '/src' does not contain a 'flake.nix', searching up")]
    [InlineData("warning: unknown setting 'x'", EvaluationMessageKind.Warning, "unknown setting 'x'")]
    public void Lines_that_are_no_error_are_passed_on_without_colour(string line, EvaluationMessageKind kind, string text)
    {
        Assert.Null(new EvaluationLog(heard.Add).Read(line));

        Assert.Equal([new(kind, text)], heard);
    }

    [Theory]
    [InlineData(
        """@nix {"action":"msg","column":null,"level":0,"msg":"\u001b[31;1merror:\u001b[0m no way","raw_msg":"no way"}""", "error: no way")]
    [InlineData("error: unrecognised flag '--x'", "error: unrecognised flag '--x'")]
    [InlineData("@nix {not json", "@nix {not json")]
    [InlineData("@nix 5", "@nix 5")]
    public void Lines_of_an_error_are_returned(string line, string text)
    {
        Assert.Equal(text, new EvaluationLog(heard.Add).Read(line));

        Assert.Empty(heard);
    }

    [Theory]
    [InlineData("""@nix {"action":"msg","level":1,"msg":"warning: you did not specify '--add-root'; the result might be removed"}""")]
    [InlineData("""@nix {"action":"msg","level":1,"msg":"warning: ignoring the client-specified setting 'builders', because it is a restricted setting and you are not a trusted user"}""")]
    [InlineData("""@nix {"action":"msg","level":1,"msg":"warning: ignoring the client-specified setting 'system', because it is a restricted setting and you are not a trusted user"}""")]
    [InlineData("""@nix {"action":"msg","level":1,"msg":"warning: ignoring the client-specified setting 'extra-platforms', because it is a restricted setting and you are not a trusted user"}""")]
    // Lix's word for it.
    [InlineData("""@nix {"action":"msg","level":1,"msg":"warning: Ignoring the client-specified setting 'builders', because it is a restricted setting and you are not a trusted user"}""")]
    [InlineData("""@nix {"action":"stop","id":1}""")]
    [InlineData("""@nix {"action":"start","id":1,"text":""}""")]
    [InlineData("""@nix {"action":"result","id":1,"type":106,"fields":[1,2,3,4]}""")]
    public void Lines_that_say_nothing_to_the_user_are_left_out(string line)
    {
        Assert.Null(new EvaluationLog(heard.Add).Read(line));

        Assert.Empty(heard);
    }

    [Fact]
    public void A_warning_is_passed_on_once_and_a_trace_each_time()
    {
        var log = new EvaluationLog(heard.Add);
        for (var i = 0; i < 3; i++)
        {
            log.Read("""@nix {"action":"msg","level":1,"msg":"warning: dirty"}""");
            log.Read("""@nix {"action":"msg","level":0,"msg":"trace: again"}""");
        }

        Assert.Equal(
            [EvaluationMessageKind.Warning, .. Enumerable.Repeat(EvaluationMessageKind.Trace, 3)], heard.Select(message => message.Kind));
    }
}
