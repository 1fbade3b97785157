using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Core.Tests.Sessions;
using NixBuildFarm.FollowUp;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Core.Tests.FollowUp;

/// <summary>The directory of a failed build comes to this machine.</summary>
public sealed class KeptFolderTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby");
    private readonly SlotFolder shell = new();
    private readonly DirectoryInfo root = Directory.CreateTempSubdirectory("nixbuildfarm-kept-");
    private readonly string there;

    public KeptFolderTests() => there = root.CreateSubdirectory("nix-build-top.drv-0").FullName;

    public void Dispose()
    {
        farm.Dispose();
        shell.Dispose();
        root.Delete(recursive: true);
    }

    [Theory]
    [InlineData("note: keeping build directory '/tmp/nix-build-hello.drv-0'", "/tmp/nix-build-hello.drv-0")]
    [InlineData(
        "note: keeping build directory \e[35;1m/nix/var/nix/builds/nix-build-hello.drv-0/build\e[0m",
        "/nix/var/nix/builds/nix-build-hello.drv-0/build")]
    [InlineData("note: keeping build directory '/nix/var/nix/builds/nix-4711-2830194/build'", "/nix/var/nix/builds/nix-4711-2830194/build")]
    [InlineData("note: keeping build directory '/tmp/nix-build-a'b.drv-0'", null)]
    [InlineData("note: keeping build directory '/tmp/nix-build-x.drv-0/.ssh'", null)]
    [InlineData("note: keeping build directory '/tmp/../nix-build-x.drv-0'", null)]
    [InlineData("note: keeping build directory '/root/.ssh'", null)]
    [InlineData("note: keeping build directory '/tmp/nix-build-x/../../root'", null)]
    [InlineData("note: keeping build directory 'nix-build-x'", null)]
    [InlineData("something else", null)]
    public void It_is_known_by_what_the_daemon_says_of_it(string message, string? path) => Assert.Equal(path, KeptFolder.PathIn(message));

    [Fact]
    public async Task It_lies_beside_the_log()
    {
        File.WriteAllText(Path.Combine(there, "env-vars"), "export x=1");
        farm["ruby"].Shell = shell;
        Fails("buildPhase");

        var result = await BuildAsync(keepFailed: true);

        Assert.Equal("export x=1", File.ReadAllText(Path.Combine(result.BuildFolder!, "env-vars")));
        Assert.Equal(Path.GetDirectoryName(result.LogPath), Path.GetDirectoryName(result.BuildFolder));
        Assert.Equal("buildPhase", result.Phase);
        Assert.Empty(farm.Warnings);
    }

    [Fact]
    public async Task One_that_cannot_be_brought_is_told_with_its_place()
    {
        Fails("buildPhase");

        var result = await BuildAsync(keepFailed: true);

        Assert.Null(result.BuildFolder);
        Assert.Contains($"is still on ruby, in {there}", Assert.Single(farm.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_does_not_look_like_it_is_told_as_the_daemon_says_it()
    {
        farm["ruby"].Shell = shell;
        Fails("buildPhase", "/somewhere/else");

        Assert.Null((await BuildAsync(keepFailed: true)).BuildFolder);
        Assert.Contains("keeping build directory '/somewhere/else'", Assert.Single(farm.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_phase_has_no_control_characters()
    {
        Fails("build\e[2JPhase\n");

        Assert.Equal("build\ufffd[2JPhase\ufffd", (await BuildAsync(keepFailed: false)).Phase);
    }

    [Fact]
    public async Task Nothing_is_brought_that_nobody_has_asked_for()
    {
        farm["ruby"].Shell = shell;
        Fails("buildPhase");

        Assert.Null((await BuildAsync(keepFailed: false)).BuildFolder);
    }

    private void Fails(string phase, string? folder = null) => farm["ruby"].Builds(async build =>
    {
        await build.EnterPhaseAsync(phase);
        await build.LogAsync("the reason");
        await build.SayAsync($"note: keeping build directory '{folder ?? there}'");
        return new() { Status = BuildStatus.PermanentFailure, ErrorMessage = "exit code 1" };
    });

    private async Task<NixBuildResult> BuildAsync(bool keepFailed) => Assert.Single(
        await farm.BuildAsync(farm.Derivation("top"), request => request with { KeepFailed = keepFailed }, "ruby")).Value;
}
