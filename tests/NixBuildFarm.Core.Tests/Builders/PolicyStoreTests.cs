using NixBuildFarm.Builders;

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
        store.Update(PolicyScope.User, set => set.With(null, new() { MaxJobs = 1, SpeedFactor = 1, Enabled = false }).With("ruby", new() { MaxJobs = 2, SpeedFactor = 2 }));
        store.Update(PolicyScope.Session, set => set.With(null, new() { MaxJobs = 3 }).With("kana", new() { MaxJobs = 4 }));

        var builders = store.ApplyTo(Lists.Parse("ruby;kana").Builders);

        Assert.Equal((3, 2.0, false), (builders[0].MaxJobs, builders[0].SpeedFactor, builders[0].Enabled));
        Assert.Equal((4, 1.0, false), (builders[1].MaxJobs, builders[1].SpeedFactor, builders[1].Enabled));
    }

    [Fact]
    public void The_session_is_not_written_down()
    {
        var store = new PolicyStore(UserFile);

        store.Update(PolicyScope.Session, set => set.With("ruby", new() { MaxJobs = 3 }));

        Assert.Equal("MaxJobs 3", store.Read(PolicyScope.Session).For("ruby").ToString());
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Fact]
    public void What_the_user_sets_another_session_finds()
    {
        new PolicyStore(UserFile).Update(PolicyScope.User, set => set.With("ruby", new() { MaxJobs = 3 }));

        Assert.Equal("MaxJobs 3", new PolicyStore(UserFile).Read(PolicyScope.User).For("ruby").ToString());
    }
}
