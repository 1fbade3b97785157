using System.Collections.Concurrent;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Work;

namespace NixBuildFarm.Core.Tests.Work;

/// <summary>What has to be done, found by reading derivations and asking a daemon in this process.</summary>
public sealed class WorkSearchTests : IDisposable
{
    /// <summary>More than are read before the first answer.</summary>
    private const int Many = 600;

    private const int Layers = 9;

    private readonly FakeFarm farm = new();
    private readonly ReadDerivations source;
    private readonly Dictionary<string, string> settings = [];

    public WorkSearchTests() => source = new(farm);

    private FakeStore Store => farm.Local.Daemon.Store;

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task What_only_valid_outputs_need_is_neither_read_nor_asked_about()
    {
        var sides = Enumerable.Range(0, Many).Select(i => farm.Derivation($"bottom{i}")).ToArray();
        for (var layer = 0; layer < Layers; layer++)
        {
            sides = [.. sides.Select((below, i) => farm.Derivation($"side{layer}-{i}", [below]))];
        }
        for (var i = 1; i < Many; i++) Store.AddFile($"side{Layers - 1}-{i}");

        var (graph, work) = await FindAsync(farm.Derivation("top", sides));

        Assert.Equal(1 + Layers + 1, work.Builds.Count);
        Assert.All(work.Builds.SkipLast(1), index => Assert.EndsWith("0", graph.Nodes[index].Name));
        // A part is read ahead of the answers.
        Assert.InRange(source.Read.Count, 1 + Many + Layers, Many * Layers / 2);
        Assert.DoesNotContain(FakeFarm.OutputOf($"side{Layers - 2}-1"), Store.TempRoots);
    }

    [Fact]
    public async Task What_can_be_fetched_is_not_built_and_nor_is_what_it_needs()
    {
        var below = farm.Derivation("below");
        var side = farm.Derivation("side", [below]);
        Substitutable("side");

        var (graph, work) = await FindAsync(farm.Derivation("top", [side]));

        Assert.Equal(["top"], work.Builds.Select(index => graph.Nodes[index].Name));
        Assert.Equal(["side"], work.Substitutions.Select(index => graph.Nodes[index].Name));
    }

    [Fact]
    public async Task A_derivation_that_asks_not_to_be_fetched_is_built()
    {
        var side = farm.Derivation("side", environment: new Dictionary<string, string> { ["allowSubstitutes"] = "" });
        Substitutable("side");

        var (graph, work) = await FindAsync(farm.Derivation("top", [side]));

        Assert.Equal(["side", "top"], work.Builds.Select(index => graph.Nodes[index].Name));
        Assert.Empty(work.Substitutions);
    }

    [Fact]
    public async Task It_is_fetched_where_Nix_is_told_to_fetch_whatever_it_can()
    {
        var side = farm.Derivation("side", environment: new Dictionary<string, string> { ["allowSubstitutes"] = "" });
        Substitutable("side");
        settings["always-allow-substitutes"] = "true";

        var (graph, work) = await FindAsync(farm.Derivation("top", [side]));

        Assert.Equal(["side"], work.Substitutions.Select(index => graph.Nodes[index].Name));
    }

    [Fact]
    public async Task Substituters_are_not_asked_where_everything_is_there()
    {
        var top = farm.Derivation("top", [farm.Derivation("bottom")]);
        Store.AddFile("top");
        Store.AddFile("bottom");

        var (_, work) = await FindAsync(top);

        Assert.Empty(work.Builds);
        Assert.DoesNotContain(WorkerOperation.QueryMissing, farm.Local.Daemon.Requests);
    }

    [Fact]
    public async Task An_output_that_one_derivation_needs_and_another_does_not_is_looked_for()
    {
        var both = new Dictionary<string, DerivationOutput>
        {
            ["dev"] = new(FakeFarm.OutputOf("both-dev"), "", ""), ["out"] = new(FakeFarm.OutputOf("both"), "", ""),
        };
        var input = farm.Derivation("input");
        var path = FakeStore.PathOf("both.drv");
        source.Own[path] = Of(both, new() { [input] = ["out"] });
        var top = FakeStore.PathOf("top.drv");
        var side = FakeStore.PathOf("side.drv");
        source.Own[side] = Of(Out("side"), new() { [path] = ["dev"] });
        source.Own[top] = Of(Out("top"), new() { [path] = ["out"], [side] = ["out"] });
        Store.AddFile("both");

        var (graph, work) = await FindAsync(top);

        Assert.Equal(["input", "both", "side", "top"], work.Builds.Select(index => graph.Nodes[index].Name));
    }

    [Fact]
    public async Task A_derivation_of_which_others_need_several_outputs_is_asked_about_once()
    {
        var both = FakeStore.PathOf("both.drv");
        var (side, top) = (FakeStore.PathOf("side.drv"), FakeStore.PathOf("top.drv"));
        var unknown = new DerivationOutput(null, "r:sha256", "");
        source.Own[both] = Of(new() { ["dev"] = unknown, ["out"] = unknown }, []);
        source.Own[side] = Of(new() { ["out"] = new(null, "", "") }, new() { [both] = ["dev"] });
        source.Own[top] = Of(new() { ["out"] = new(null, "", "") }, new() { [both] = ["out"], [side] = ["out"] });
        foreach (var path in new[] { side, top }) Store.Outputs[path] = new Dictionary<string, StorePath?> { ["out"] = null };
        Store.Outputs[both] = new Dictionary<string, StorePath?> { ["dev"] = null, ["out"] = null };

        var (graph, work) = await FindAsync(top);

        Assert.Equal(["both", "side", "top"], work.Builds.Select(index => graph.Nodes[index].Name));
        Assert.Equal(3, farm.Local.Daemon.Requests.Count(request => request == WorkerOperation.QueryDerivationOutputMap));
    }

    [Fact]
    public async Task A_chain_of_thousands_is_found()
    {
        var last = farm.Derivation("link0");
        for (var i = 1; i < 3000; i++) last = farm.Derivation($"link{i}", [last]);

        var (_, work) = await FindAsync(last);

        Assert.Equal(3000, work.Builds.Count);
    }

    [Fact]
    public async Task Only_what_is_built_is_read_again()
    {
        var top = farm.Derivation("top", environment: new Dictionary<string, string> { ["key"] = "value" });

        var (graph, _) = await FindAsync(top);

        var node = graph.Find(top)!;
        Assert.Throws<InvalidOperationException>(() => node.Derivation.Environment);
        Assert.Equal("value", (await node.ReadAsync(TestContext.Current.CancellationToken)).Environment["key"]);
    }

    [Fact]
    public async Task All_of_a_derivation_is_kept_where_the_name_of_an_output_follows_from_it()
    {
        var bottom = farm.Derivation("bottom", environment: new Dictionary<string, string> { ["key"] = "value" });
        var side = farm.Floating("side", bottom);

        var (graph, _) = await FindAsync(farm.Derivation("top", [bottom, side]));

        Assert.All(graph.Nodes, node => Assert.False(node.Derivation.IsOutline, node.Name));
        Assert.Equal("value", graph.Find(bottom)!.Derivation.Environment["key"]);
    }

    [Fact]
    public async Task A_store_that_cannot_be_opened_is_what_is_told()
    {
        var lost = Task.FromException<BuilderSession>(new BuilderException("local", BuilderFailure.Unreachable, "There is no daemon."));

        var error = await Assert.ThrowsAsync<BuilderException>(
            () => WorkSearch.FindAsync(
                source, [new(farm.Derivation("top"), [])], lost, TestContext.Current.CancellationToken));

        Assert.Contains("There is no daemon.", error.Message);
    }

    private async Task<(DerivationGraph Graph, RequiredWork Work)> FindAsync(StorePath root)
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var local = await BuilderSession.OpenAsync(
            farm.Local.Builder, farm.Local, new DaemonOptions { Overrides = settings }, cancellation);
        return await WorkSearch.FindAsync(source, [new RequestedDerivation(root, [])], Task.FromResult(local), cancellation);
    }

    private void Substitutable(string name)
    {
        var (info, nar) = FakeStore.FileOf(name, []);
        Store.Substitutable[info.Path] = (info, nar);
    }

    private static Dictionary<string, DerivationOutput> Out(string name) => new() { ["out"] = new(FakeFarm.OutputOf(name), "", "") };

    private static Derivation Of(
        Dictionary<string, DerivationOutput> outputs, Dictionary<StorePath, IReadOnlyList<string>> inputs) => new()
        {
            Outputs = outputs,
            InputDerivations = inputs,
            InputSources = [],
            System = "x86_64-linux",
            Builder = "/bin/sh",
            Arguments = [],
            Environment = new Dictionary<string, string>(),
        };

    /// <summary>The derivations of the farm and of the test; notes what was read.</summary>
    private sealed class ReadDerivations(FakeFarm farm) : IDerivationSource
    {
        public Dictionary<StorePath, Derivation> Own { get; } = [];

        public ConcurrentQueue<StorePath> Read { get; } = [];

        public Task<Derivation> ReadAsync(StorePath path, CancellationToken cancellation)
        {
            Read.Enqueue(path);
            return Own.TryGetValue(path, out var own) ? Task.FromResult(own) : farm.ReadAsync(path, cancellation);
        }
    }
}
