using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>Which builds are shared, and with how many cores in mind.</summary>
public sealed class CompileGrantsTests
{
    private readonly GivenWork farm = new("ruby", "kana", "opal");

    [Fact]
    public void A_build_that_begins_while_helpers_connect_is_told_of_their_cores_too()
    {
        var alone = Begin(["ruby"]);
        var early = Begin(["ruby", "kana"]);
        var late = Begin(["ruby"], "kana");

        Assert.Null(alone.Share);
        Assert.True(late.Share!.Cores > late.Share.HomePlaces);
        Assert.Equal(early.Share, late.Share);
    }

    [Fact]
    public void Helpers_that_cannot_be_reached_any_more_do_not_count()
    {
        var top = farm.Derivation("top", [farm.Derivation("first")]);
        var run = DecidedRun.Begin(farm, top, ["ruby"], Always, connecting: ["kana", "opal"]);
        var first = Assert.Single(run.Started);
        foreach (var awaited in run.First.OfType<RunAction.Await>().ToArray())
        {
            run.Apply(
                new RunEvent.ConnectFailed(
                    awaited.Connection,
                    awaited.Builder,
                    new BuilderException(awaited.Builder.Name, BuilderFailure.HostKeyMismatch, "It is another one.")));
        }

        run.Succeed(first);

        Assert.NotNull(first.Share);
        Assert.Null(run.Started[1].Share);
    }

    private Attempt Begin(string[] on, params string[] connecting) =>
        Assert.Single(DecidedRun.Begin(farm, farm.Derivation($"top-{on.Length}-{connecting.Length}"), on, Always, connecting).Started);

    private static RunRules Always(RunRules rules) =>
        rules with { Scheduling = rules.Scheduling with { Share = ShareMode.Always } };
}
