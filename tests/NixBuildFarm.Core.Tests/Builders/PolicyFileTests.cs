using CsCheck;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Core.Tests.Builders;

public sealed class PolicyFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("policy").FullName;

    private string FilePath => Path.Combine(folder, "nixbuildfarm", "policy.json");

    private PolicyFile UserFile => new(FilePath);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Whatever_is_written_is_read_again()
    {
        var names = Gen.OneOf("ruby", "nix@ruby:22", "::1", "bücherwurm", "a\"b\\c");
        Gen.Select(BuilderPolicyTests.Policies, Gen.Dictionary(names, BuilderPolicyTests.Policies)[0, 5]).Sample(
            (farm, builders) =>
            {
                Update(_ => new PolicySet(farm, builders));

                var read = UserFile.Read();
                Assert.Equal(farm.ToString(), read.FarmWide.ToString());
                Assert.Equal(
                    builders.Where(b => !b.Value.IsEmpty).Select(b => $"{b.Key}: {b.Value}").Order(StringComparer.Ordinal),
                    read.Builders.Select(b => $"{b.Key}: {b.Value}").Order(StringComparer.Ordinal));
            },
            iter: 50,
            threads: 1);
    }

    [Fact]
    public void Without_a_file_there_is_no_policy_and_none_is_made_by_reading()
    {
        Assert.True(UserFile.Read().For("ruby").IsEmpty);
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Fact]
    public void The_file_and_its_folder_are_private()
    {
        Update(set => set.With("ruby", new() { MaxJobs = 3 }));

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(FilePath));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            File.GetUnixFileMode(Path.GetDirectoryName(FilePath)!));
    }

    [Fact]
    public void A_write_leaves_nothing_behind_but_the_file_and_its_lock()
    {
        Update(set => set.With("ruby", new() { MaxJobs = 3 }));
        Update(set => set.Without("ruby"));

        Assert.Equal(
            ["policy.json", "policy.json.lock"], Directory.GetFiles(Path.GetDirectoryName(FilePath)!).Select(Path.GetFileName).Order());
    }

    [Theory]
    [InlineData("", "PolicyFileCorrupt")]
    [InlineData("{", "PolicyFileCorrupt")]
    [InlineData("[]", "PolicyFileCorrupt")]
    [InlineData("{}", "PolicyFileCorrupt")]
    [InlineData("""{ "version": "one" }""", "PolicyFileCorrupt")]
    [InlineData("""{ "version": 1, "builders": [] }""", "PolicyFileCorrupt")]
    [InlineData("""{ "version": 1, "builders": { "ruby": null } }""", "PolicyFileCorrupt")]
    [InlineData("""{ "version": 1, "builders": { "ruby": { "maxJobs": "2" } } }""", "PolicyFileCorrupt")]
    [InlineData("""{ "version": 1, "builders": { "ruby": { "maxJobs": -2 } } }""", "PolicyFileCorrupt")]
    [InlineData("""{ "version": 1, "builders": { "ruby": { "speedFactor": 0 } } }""", "PolicyFileCorrupt")]
    [InlineData("""{ "version": 1, "builders": { "ruby": { "maxJob": 2 } } }""", "PolicyFileCorrupt")]
    [InlineData("""{ "version": 1, "builders": { "ruby": {}, "Ruby": {} } }""", "PolicyFileCorrupt")]
    [InlineData("""{ "version": 1, "colour": "red" }""", "PolicyFileCorrupt")]
    [InlineData("""{ "version": 2, "rules": [] }""", "PolicyFileNewer")]
    public void A_file_that_is_not_understood_is_named_and_never_overwritten(string content, string id)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(FilePath)!);
        File.WriteAllText(FilePath, content);

        var reading = Assert.Throws<NixBuildFarmException>(() => UserFile.Read());
        var writing = Assert.Throws<NixBuildFarmException>(() => Update(set => set.With("ruby", new() { MaxJobs = 1 })));

        Assert.Equal((id, id), (reading.Id, writing.Id));
        Assert.Contains(FilePath, reading.Message);
        Assert.NotNull(reading.Recommendation);
        Assert.Equal(content, File.ReadAllText(FilePath));
    }

    [Fact]
    public void A_change_that_fails_leaves_the_file_as_it_was_and_lets_the_next_writer_in()
    {
        Update(set => set.With("ruby", new() { MaxJobs = 1 }));

        Assert.Throws<InvalidOperationException>(() => Update(_ => throw new InvalidOperationException()));
        Update(set => set.With("kana", new() { MaxJobs = 2 }));

        Assert.Equal(["kana", "ruby"], UserFile.Read().Builders.Keys);
    }

    [Fact]
    public async Task Writers_at_the_same_time_lose_nothing()
    {
        var writers = Enumerable.Range(0, 20).Select(i => Task.Run(() => Update(set => set.With($"builder{i}", new() { MaxJobs = i }))));

        await Task.WhenAll(writers);

        var read = UserFile.Read();
        Assert.All(Enumerable.Range(0, 20), i => Assert.Equal(i, read.For($"builder{i}").MaxJobs));
    }

    [Fact]
    public async Task A_reader_never_sees_half_a_file()
    {
        Update(set => set.With("ruby", new() { MaxJobs = 0 }));
        var writing = Task.Run(() =>
        {
            for (var i = 0; i < 30; i++) Update(set => set.With("ruby", new() { MaxJobs = i }));
        }, TestContext.Current.CancellationToken);

        while (!writing.IsCompleted) Assert.NotNull(UserFile.Read().For("ruby").MaxJobs);
        await writing;
    }

    [Fact]
    public void A_link_stays_a_link()
    {
        var target = Path.Combine(folder, "dotfiles.json");
        File.WriteAllText(target, """{ "version": 1 }""");
        Directory.CreateDirectory(Path.GetDirectoryName(FilePath)!);
        File.CreateSymbolicLink(FilePath, target);

        Update(set => set.With("ruby", new() { MaxJobs = 3 }));

        Assert.Equal(target, File.ResolveLinkTarget(FilePath, returnFinalTarget: true)?.FullName);
        Assert.Contains("ruby", File.ReadAllText(target));
    }

    [Fact]
    public void A_folder_in_the_place_of_the_file_is_an_error_that_names_it()
    {
        Directory.CreateDirectory(FilePath);

        Assert.Contains(FilePath, Assert.Throws<NixBuildFarmException>(() => UserFile.Read()).Message);
    }

    [Fact]
    public async Task Waiting_for_another_writer_can_be_cancelled()
    {
        Update(set => set);
        using var other = new FileStream(FilePath + ".lock", FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        using var stop = new CancellationTokenSource();
        var waiting = Task.Run(
            () => UserFile.Update(set => set.With("ruby", new() { MaxJobs = 1 }), stop.Token), TestContext.Current.CancellationToken);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Empty(UserFile.Read().Builders);
    }

    private PolicySet Update(Func<PolicySet, PolicySet> change) => UserFile.Update(change, TestContext.Current.CancellationToken);
}
