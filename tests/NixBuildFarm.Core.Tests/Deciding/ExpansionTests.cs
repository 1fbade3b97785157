using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>Derivations that builds make, for several requests.</summary>
public sealed class ExpansionTests
{
    private readonly GivenWork farm = new("ruby");
    private readonly StorePath user;
    private readonly DecidedRun run;

    public ExpansionTests()
    {
        user = farm.UserOf("user", farm.Maker("maker", farm.Derivation("inner")), []);
        run = DecidedRun.Begin(farm, farm.Derivation("own"), ["ruby"], rules => rules with { CopyBack = CopyBack.Requested });
    }

    [Fact]
    public void What_uses_a_derivation_that_is_made_is_built_for_one_request_when_another_is_called_off_before_it_is_made()
    {
        run.Join(1, user);
        run.Join(2, user);
        run.Apply(new RunEvent.WorkWithdrawn(1));

        Read(Make());
        run.Succeed(TheBuildOf("inner"));

        Assert.True(TheBuildOf("user").IsRunning);
    }

    [Fact]
    public void What_a_build_made_is_wanted_by_all_whose_jobs_use_it()
    {
        run.Join(1, user);
        var reads = Make();
        run.Join(2, user);
        Read(reads);
        Assert.Equal([1, 2], run.Job("inner").WantedBy.Keys);

        run.Apply(new RunEvent.WorkWithdrawn(1));

        Assert.True(TheBuildOf("inner").IsRunning);
        run.Succeed(TheBuildOf("inner"));
        Assert.True(TheBuildOf("user").IsRunning);
    }

    [Fact]
    public void What_a_build_made_is_wanted_by_a_request_that_joins_after_it_was_read()
    {
        run.JoinAs(1, 1, 0, user);
        Read(Make());

        run.JoinAs(2, 2, 1, user);

        Assert.Equal([1, 2], run.Job("inner").WantedBy.Keys);
        Assert.Equal([1, 2], run.ClaimOf(run.Job("inner")).Users);
        Assert.Equal(1, run.ClaimOf(run.Job("inner")).Priority);
    }

    [Fact]
    public void What_a_build_made_is_built_again_before_what_uses_it_where_both_were_lost()
    {
        run.Join(1, farm.Derivation("first", [user]));
        Read(Make());
        foreach (var name in (string[])["inner", "user"]) run.Succeed(TheBuildOf(name));
        run.ComeHome(Assert.Single(run.Succeed(TheBuildOf("first")).OfType<RunAction.BringHome>()).Copy);
        Assert.Empty(run.Job("user").WantedBy);
        var lost = run.Apply(
            new RunEvent.BuilderSilent(run.Started[0].On, new("ruby", BuilderFailure.ConnectionLost, "The connection to ruby broke.")));
        run.Apply(new RunEvent.BuilderConnected(lost.OfType<RunAction.Connect>().Single().Connection, run.Connect("ruby"), []));

        var actions = run.Join(2, farm.Derivation("second", [user]));

        Assert.Equal("inner", Assert.Single(actions.OfType<RunAction.StartBuild>()).Attempt.Job.Name);
        Assert.Equal([2], run.Job("inner").WantedBy.Keys);
    }

    /// <summary>Builds the maker, and copies what it has made home.</summary>
    /// <returns>The jobs whose derivation can be read.</returns>
    private IEnumerable<RunJob> Make()
    {
        var copy = Assert.Single(run.Succeed(TheBuildOf("maker")).OfType<RunAction.BringHome>()).Copy;
        return [.. run.ComeHome(copy).OfType<RunAction.Expand>().Select(read => read.Job)];
    }

    private void Read(IEnumerable<RunJob> made)
    {
        foreach (var job in made) run.Expand(job);
    }

    private Attempt TheBuildOf(string name) => run.Started.Last(attempt => attempt.Job.Name == name);
}
