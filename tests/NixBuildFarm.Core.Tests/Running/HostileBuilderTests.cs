using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A builder says what cannot be: it is not believed, and another one builds what it was to build.</summary>
public sealed class HostileBuilderTests : IDisposable
{
    private readonly FakeFarm farm = new("evil", "kana");

    public void Dispose() => farm.Dispose();

    [Theory]
    [InlineData(0L)]
    [InlineData(1L)]
    [InlineData(WireLimits.Nar)]
    [InlineData(1L << 62)]
    [InlineData(long.MaxValue)]
    public Task A_false_size_of_an_output(long size) => BuildsElsewhereAsync(info => info with { NarSize = size });

    [Fact]
    public Task Several_outputs_whose_sizes_cannot_be_added_up() =>
        BuildsElsewhereAsync(info => info with { NarSize = long.MaxValue / 2 }, builds: 5);

    [Theory]
    [InlineData(WireLimits.References)]
    [InlineData(WireLimits.References + 1)]
    public Task An_output_with_more_references_than_it_has_inputs(int count) =>
        BuildsElsewhereAsync(info => info with { References = [.. Enumerable.Repeat(FakeStore.PathOf("invented"), count)] });

    [Fact]
    public Task Signatures_without_end() =>
        BuildsElsewhereAsync(info => info with { Signatures = [.. Enumerable.Repeat(new string('A', 4000), 20_000)] });

    [Fact]
    public async Task An_error_text_of_megabytes_is_cut()
    {
        var results = await BuildAsync(
            1, _ => new BuildResult { Status = BuildStatus.MiscFailure, ErrorMessage = new string('E', 20 << 20) });

        Assert.All(results.Values, result => Assert.Equal(NixBuildStatus.Built, result.Status));
        var attempt = Assert.Single(results["top0"].Attempts);
        Assert.InRange(attempt.Reason.Length, WireLimits.Shown, WireLimits.Shown + 1000);
        Assert.All(farm.Warnings, warning => Assert.InRange(warning.Length, 0, WireLimits.Shown + 1000));
    }

    [Fact]
    public async Task An_honest_build_may_print_a_line_of_a_hundred_megabytes()
    {
        const int Length = 100 << 20;
        farm["kana"].Builds(async build =>
        {
            await build.LogAsync("before");
            await build.LogAsync(new string('x', Length));
            await build.LogAsync("after");
            return build.Succeed();
        });

        var result = (await farm.BuildAsync(farm.Derivation("top"), on: "kana"))["top"];

        Assert.Equal(NixBuildStatus.Built, result.Status);
        Assert.Empty(result.Attempts);
        Assert.Equal("before\n".Length + Length + "\nafter\n".Length, new FileInfo(result.LogPath!).Length);
        Assert.Equal([6, 4097, 5], result.LogTail.Select(line => line.Length));
        Assert.Equal([6, WireLimits.Shown + 1, 5], farm.Lines.Select(line => line.Length));
    }

    private async Task BuildsElsewhereAsync(Func<PathInfo, PathInfo> lie, int builds = 1)
    {
        var results = await BuildAsync(builds, build =>
        {
            var result = build.Succeed();
            foreach (var path in build.Derivation!.Outputs.Values.Select(output => output.Path!))
            {
                build.Store.Add(lie(build.Store.Find(path)!), build.Store.FindNar(path)!);
            }
            return result;
        });

        Assert.All(results.Values, result => Assert.True(result.Status == NixBuildStatus.Built, $"{result.Status}: {result.Error}"));
        Assert.Equal("kana", results["top0"].Builder);
        Assert.All(results.Keys, name => Assert.True(farm.Local.Has(name), name));
    }

    /// <summary>Builds some derivations with a bad builder, which is there first, and a good one.</summary>
    private Task<IReadOnlyDictionary<string, NixBuildResult>> BuildAsync(int builds, Func<FakeBuild, BuildResult> evil)
    {
        var met = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        farm["evil"].Builds(build =>
        {
            met.TrySetResult();
            return Task.FromResult(evil(build));
        });
        farm["kana"].Login = met.Task;
        var tops = Enumerable.Range(0, builds).Select(i => farm.Derivation($"top{i}")).ToArray();
        return farm.BuildAsync(builds == 1 ? tops[0] : farm.Derivation("all", tops), on: ["evil", "kana"]);
    }
}
