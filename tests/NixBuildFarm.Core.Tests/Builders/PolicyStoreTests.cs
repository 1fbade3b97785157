using NixBuildFarm.Builders.Policies;

namespace NixBuildFarm.Core.Tests.Builders;

public sealed class PolicyStoreTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("policy").FullName;

    private PolicyFile UserFile => new(Path.Combine(folder, "nixbuildfarm", "policy.json"));

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_session_wins_over_the_user_and_in_each_the_builder_over_the_farm()
    {
        var store = new PolicyStore(UserFile);
        Update(
            store,
            PolicyScope.User,
            set =>
                set.With(null, new() { MaxJobs = 1, SpeedFactor = 1, Enabled = false })
                    .With("ruby", new() { MaxJobs = 2, SpeedFactor = 2 }));
        Update(store, PolicyScope.Session, set => set.With(null, new() { MaxJobs = 3 }).With("kana", new() { MaxJobs = 4 }));

        var builders = store.ApplyTo(Lists.Parse("ruby;kana").Builders);

        Assert.Equal((3, 2.0, false), (builders[0].MaxJobs, builders[0].SpeedFactor, builders[0].Enabled));
        Assert.Equal((4, 1.0, false), (builders[1].MaxJobs, builders[1].SpeedFactor, builders[1].Enabled));
    }

    [Fact]
    public void The_session_is_not_written_down()
    {
        var store = new PolicyStore(UserFile);

        Update(store, PolicyScope.Session, set => set.With("ruby", new() { MaxJobs = 3 }));

        Assert.Equal("MaxJobs 3", store.Read(PolicyScope.Session).For("ruby").ToString());
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Fact]
    public void Another_session_finds_the_policies_that_the_user_sets()
    {
        Update(new PolicyStore(UserFile), PolicyScope.User, set => set.With("ruby", new() { MaxJobs = 3 }));

        Assert.Equal("MaxJobs 3", new PolicyStore(UserFile).Read(PolicyScope.User).For("ruby").ToString());
    }

    [Fact]
    public void Policies_are_listed_farm_wide_first_then_by_name()
    {
        var store = new PolicyStore(UserFile);
        Update(
            store,
            PolicyScope.Session,
            set => set.With("ruby", new() { MaxJobs = 3 }).With("kana", new() { MaxJobs = 2 }).With(null, new() { Enabled = true }));

        Assert.Equal(
            ["farm-wide: Enabled True", "kana: MaxJobs 2", "ruby: MaxJobs 3"],
            store.List(PolicyScope.Session).Select(p => $"{p}: {p.Settings}"));
        Assert.Empty(store.List(PolicyScope.User));
    }

    private static void Update(PolicyStore store, PolicyScope scope, Func<PolicySet, PolicySet> change) =>
        store.Update(scope, change, TestContext.Current.CancellationToken);
}
