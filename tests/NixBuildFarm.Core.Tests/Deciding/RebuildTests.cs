using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>What was built, and has to be built again.</summary>
public sealed class RebuildTests
{
    [Fact]
    public void What_is_built_again_waits_for_an_input_that_was_lost_while_nobody_needed_it()
    {
        var work = new GivenWork("ruby", "kana", "opal", "jade");
        foreach (var (builder, feature) in work.Names.Zip((string[])["iron", "gem", "gem", "coal"])) work.Features[builder] = [feature];
        var middle = Needing("gem", "middle", [Needing("iron", "bottom", [])]);
        var top = Needing("coal", "top", [middle, Needing("coal", "beside", [middle])]);
        var run = DecidedRun.Begin(work, top, [.. work.Names], OnlyRequested);
        for (var i = 0; i < 3; i++) run.Succeed(run.Started[i]);
        Assert.Equal(["bottom", "middle", "beside", "top"], run.Started.Select(attempt => attempt.Job.Name));
        // Now beside has brought the outputs of middle to jade.
        run.Apply(new RunEvent.BuilderSilent(run.Started[1].On, Gone(run.Started[1].On.Name)));
        var lost = run.Apply(new RunEvent.BuilderSilent(run.Started[0].On, Gone("ruby")));
        run.Apply(new RunEvent.BuilderConnected(lost.OfType<RunAction.Connect>().Single().Connection, run.Connect("ruby"), []));
        Assert.Equal(4, run.Started.Count);

        var actions = run.Apply(
            new RunEvent.AttemptFailed(run.Started[3], new PathLostException(run.Job("middle").Outputs[0]), IsPathGone: true));

        var again = Assert.Single(actions.OfType<RunAction.StartBuild>()).Attempt;
        Assert.Equal("bottom", again.Job.Name);
        run.Succeed(again);
        Assert.Equal("middle", run.Started[^1].Job.Name);

        StorePath Needing(string feature, string name, StorePath[] inputs) => work.Derivation(
            name, inputs, environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = feature });
    }

    [Fact]
    public void The_user_learns_why_what_was_done_cannot_be_built_again()
    {
        var work = new GivenWork("ruby", "kana");
        var run = DecidedRun.Begin(work, work.Derivation("top", [work.Derivation("bottom")]), ["ruby", "kana"], OnlyRequested);
        run.Succeed(run.Started[0]);
        run.Apply(new RunEvent.BuilderSilent(run.Started[0].On, Gone(run.Started[0].On.Name)));
        Assert.Equal("bottom", run.Started[2].Job.Name);

        run.End(run.Started[2], BuildStatus.PermanentFailure);

        Assert.Contains("bottom, which was done, fails after all: It ended as PermanentFailure.", run.Warnings);
        Assert.Equal(
            ["bottom Built", "top DependencyFailed"], run.Results.Select(result => $"{result.Name} {result.Status}"));
    }

    [Fact]
    public void A_run_that_has_stopped_takes_the_news_that_an_input_is_gone()
    {
        var work = new GivenWork("ruby") { MaxJobs = 3 };
        var shared = work.Derivation("shared");
        var top = work.Derivation("top", [shared, work.Derivation("slow")]);
        var run = DecidedRun.Begin(work, work.Derivation("all", [top, work.Derivation("other", [shared])]), ["ruby"], OnlyRequested);
        run.Succeed(TheBuildOf("shared"));
        var copy = Assert.Single(run.Join(1, shared).OfType<RunAction.BringHome>()).Copy;
        var useless = new DamagedPathException("ruby", copy.Outputs[0], new IOException("It is longer."));
        Assert.Single(run.Apply(new RunEvent.CopyBackFailed(copy, null, null, useless)).OfType<RunAction.StopRun>());
        // Now the scheduler would start top.
        run.Succeed(TheBuildOf("slow"));

        run.Apply(new RunEvent.AttemptFailed(TheBuildOf("other"), new PathLostException(copy.Outputs[0]), IsPathGone: true));

        run.End();
        Assert.Equal(3, run.Started.Count);
        Assert.Equal(NixBuildStatus.Cancelled, run.Job("all").Result!.Status);

        Attempt TheBuildOf(string name) => run.Started.Single(attempt => attempt.Job.Name == name);
    }

    private static RunRules OnlyRequested(RunRules rules) => rules with { CopyBack = CopyBack.Requested };

    private static BuilderException Gone(string builder) =>
        new(builder, BuilderFailure.ConnectionLost, $"The connection to {builder} broke.");
}
