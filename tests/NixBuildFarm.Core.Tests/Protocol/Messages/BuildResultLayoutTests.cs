using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Protocol.Messages;

public class BuildResultLayoutTests
{
    private const string BaseName = "iylhv1jiapks1396jz2fv8wq85q68y6y-a";

    private static readonly StorePath Path = StorePath.Parse("/nix/store/" + BaseName);

    [Theory]
    [InlineData(32)]
    [InlineData(36)]
    public async Task Before_1_37_there_are_no_processor_times(int minor)
    {
        var result = await ReadAsync(minor, 0, "", 1, 0, 1_700_000_000, 1_700_000_060, 0);

        Assert.Equal(BuildStatus.Built, result.Status);
        Assert.True(result.IsSuccess);
        Assert.Equal(TimeSpan.FromSeconds(60), result.StopTime - result.StartTime);
        Assert.Null(result.CpuUser);
        Assert.Empty(result.BuiltOutputs);
    }

    [Theory]
    [InlineData(37)]
    [InlineData(38)]
    public async Task From_1_37_on_processor_times_may_follow(int minor)
    {
        var result = await ReadAsync(minor, 0, "", 1, 0, 0, 0, 1, 500_000, 0, 0);

        Assert.Equal(TimeSpan.FromMilliseconds(500), result.CpuUser);
        Assert.Null(result.CpuSystem);
    }

    [Fact]
    public async Task A_time_of_zero_is_no_time()
    {
        var result = await ReadAsync(36, 2, "", 0, 0, 0, 0, 0);

        Assert.Null(result.StartTime);
        Assert.Null(result.StopTime);
    }

    [Fact]
    public async Task The_message_of_a_failure_comes_without_terminal_control()
    {
        var result = await ReadAsync(36, 3, "\x1b[31mbuilder failed\x1b[0m\n", 1, 1, 0, 0, 0);

        Assert.Equal("builder failed", result.ErrorMessage);
        Assert.False(result.IsSuccess);
        Assert.True(result.IsNonDeterministic);
    }

    [Theory]
    [InlineData($$"""{"dependentRealisations":{},"id":"sha256:00!out","outPath":"{{BaseName}}","signatures":[]}""")]
    [InlineData($$"""{"id":"sha256:00!out","outPath":"/nix/store/{{BaseName}}"}""")]
    public async Task Built_outputs_are_read_from_realisations(string realisation)
    {
        var result = await ReadAsync(36, 0, "", 1, 0, 0, 0, 1, "sha256:00!out", realisation);

        Assert.Equal(new Dictionary<string, StorePath> { ["out"] = Path }, result.BuiltOutputs);
    }

    [Fact]
    public async Task Built_outputs_are_read_from_paths_and_signatures()
    {
        byte[] bytes = ProtocolBytes.Of(0, "", 1, 0, 0, 0, 0, 0, 2, "dev", Path, 0, "out", Path, new[] { "key:c2ln", "other:c2ln" });

        var result = await ReadAsync(bytes, new(1, 38) { HasRealisationsByPath = true });

        Assert.Equal(new Dictionary<string, StorePath> { ["dev"] = Path, ["out"] = Path }, result.BuiltOutputs);
    }

    [Theory]
    [InlineData("")]
    [InlineData("../../etc/passwd")]
    public async Task A_built_output_that_is_no_store_path_is_refused(string path) => await Assert.ThrowsAsync<WireException>(
        () => ReadAsync(ProtocolBytes.Of(0, "", 1, 0, 0, 0, 0, 0, 1, "out", path, 0), new(1, 38) { HasRealisationsByPath = true }));

    [Theory]
    [InlineData("")]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"outPath":5}""")]
    [InlineData("""{"outPath":null}""")]
    [InlineData("""{"outPath":"../../etc/passwd"}""")]
    public async Task A_realisation_that_names_no_store_path_is_refused(string realisation) =>
        await Assert.ThrowsAsync<WireException>(() => ReadAsync(36, 0, "", 1, 0, 0, 0, 1, "sha256:00!out", realisation));

    [Fact]
    public async Task A_realisation_that_is_not_utf_8_is_refused() =>
        await Assert.ThrowsAsync<WireException>(() => ReadAsync(36, 0, "", 1, 0, 0, 0, 1, "sha256:00!out", new byte[] { 0xFF }));

    [Fact]
    public async Task A_status_of_a_newer_nix_is_a_failure()
    {
        var result = await ReadAsync(38, 99, "something new", 0, 0, 0, 0, 0, 0, 0);

        Assert.Equal(99, (int)result.Status);
        Assert.False(result.IsSuccess);
    }

    [Fact]
    public async Task A_processor_time_with_an_unknown_tag_is_refused() =>
        await Assert.ThrowsAsync<WireException>(() => ReadAsync(38, 0, "", 0, 0, 0, 0, 2, 0, 0));

    [Fact]
    public async Task A_processor_time_beyond_all_calendars_is_refused() =>
        await Assert.ThrowsAsync<WireException>(() => ReadAsync(38, 0, "", 0, 0, 0, 0, 1, long.MaxValue, 0, 0));

    private static Task<BuildResult> ReadAsync(int minor, params object[] fields) =>
        ReadAsync(ProtocolBytes.Of(fields), new(1, (byte)minor));

    private static async Task<BuildResult> ReadAsync(byte[] bytes, ProtocolVersion version) =>
        await BuildResultLayout.ReadAsync(new WireReader(new MemoryStream(bytes)), version, TestContext.Current.CancellationToken);
}
