using System.Security.Cryptography;
using System.Text;
using CsCheck;
using NixBuildFarm.Errors;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Store;

public class DerivationGraphTests
{
    /// <summary>Of each derivation, by number, those that it needs: only lower ones, so there is no circle.</summary>
    private static readonly Gen<int[][]> AnyInputs =
        Gen.Int[0, 9].Array[0, 4].Array[1, 10].Select(
            rows => rows.Select((row, number) => row.Where(input => input < number).Distinct().ToArray()).ToArray());

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_graph_is_what_the_roots_need_and_nothing_else() =>
        await Gen.Select(AnyInputs, Gen.Int[0, 9].Array[1, 3]).SampleAsync(async (inputs, picks) =>
        {
            int[] roots = [.. picks.Select(pick => pick % inputs.Length)];
            var graph = await Load(inputs, roots);

            Assert.Equal(Closure(inputs, roots).Select(Path).Order(), graph.Nodes.Select(node => node.Path).Order());
            Assert.Equal(roots.Distinct().Select(Path), graph.Roots.Select(root => graph.Nodes[root].Path));
        });

    [Fact]
    public async Task Every_derivation_comes_after_its_inputs() =>
        await AnyInputs.SampleAsync(async inputs =>
        {
            var graph = await Load(inputs, inputs.Length - 1);

            Assert.All(graph.Nodes, (node, index) =>
            {
                Assert.Equal(index, node.Index);
                Assert.Equal(node.Derivation.InputDerivations.Keys.Order(), node.Inputs.Select(input => graph.Nodes[input.Index].Path));
                Assert.All(node.Inputs, input => Assert.True(input.Index < index));
            });
        });

    [Fact]
    public async Task The_order_does_not_depend_on_which_file_is_read_first() =>
        await Gen.Select(AnyInputs, Gen.Int).SampleAsync(async (inputs, seed) =>
        {
            var calm = await Load(inputs, inputs.Length - 1);
            var shuffled = await DerivationGraph.LoadAsync(
                new ShuffledSource(Source(inputs), seed), [Path(inputs.Length - 1)], Cancellation);

            Assert.Equal(calm.Nodes.Select(node => node.Path), shuffled.Nodes.Select(node => node.Path));
        });

    [Fact]
    public async Task Each_derivation_is_read_once()
    {
        var source = Source([[], [0], [0, 1], [0, 1, 2]]);

        await DerivationGraph.LoadAsync(source, [Path(3), Path(1), Path(3)], Cancellation);

        Assert.Equal(new[] { 0, 1, 2, 3 }.Select(Path).Order(), source.Read.Order());
    }

    [Fact]
    public async Task Of_each_input_it_is_known_which_outputs_are_wanted()
    {
        var graph = await DerivationGraph.LoadAsync(Samples(), [SampleDerivations.Structured.Path], Cancellation);

        var structured = graph.Find(SampleDerivations.Structured.Path)!;
        var wanted = structured.Inputs.ToDictionary(input => graph.Nodes[input.Index].Name, input => input.Outputs);
        Assert.Equal(["dev", "out"], wanted["library-1.2"]);
        Assert.Equal(["out"], wanted["source.tar.gz"]);
    }

    [Fact]
    public async Task A_path_outside_the_graph_is_not_found()
    {
        var graph = await Load([[], [0], []], 1);

        Assert.Equal(Path(0), graph.Find(Path(0))?.Path);
        Assert.Null(graph.Find(Path(2)));
    }

    [Fact]
    public async Task No_roots_make_an_empty_graph() => Assert.Empty((await Load([])).Nodes);

    [Fact]
    public async Task A_chain_of_any_length_is_loaded()
    {
        const int length = 20_000;
        var graph = await Load([.. Enumerable.Range(0, length).Select(number => number == 0 ? [] : new[] { number - 1 })], length - 1);

        Assert.Equal(Enumerable.Range(0, length).Select(Path), graph.Nodes.Select(node => node.Path));
    }

    [Fact]
    public async Task No_more_than_a_few_files_are_read_at_once()
    {
        var inputs = Enumerable.Range(0, 200).Select(_ => Array.Empty<int>()).Append([.. Enumerable.Range(0, 200)]).ToArray();
        var source = new ShuffledSource(Source(inputs), seed: 1);

        await DerivationGraph.LoadAsync(source, [Path(200)], Cancellation);

        Assert.InRange(source.MostAtOnce, 1, 16);
    }

    [Fact]
    public async Task A_circle_is_refused_and_shown()
    {
        // 3 is outside the circle 0 → 2 → 1 → 0.
        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => Load([[2], [0], [1], [0]], 3));

        Assert.Equal("DerivationCycle", error.Id);
        Assert.Contains(string.Join(" → ", new[] { 0, 2, 1, 0 }.Select(number => Path(number).BaseName)), error.Message);
        Assert.DoesNotContain(Path(3).BaseName, error.Message);
    }

    [Fact]
    public async Task A_derivation_that_needs_itself_is_a_circle_too() =>
        Assert.Equal("DerivationCycle", (await Assert.ThrowsAsync<NixBuildFarmException>(() => Load([[0]], 0))).Id);

    [Fact]
    public async Task A_missing_input_is_named_with_what_needs_it()
    {
        using var folder = new TemporaryFolder();
        await File.WriteAllBytesAsync(folder[SampleDerivations.Library.Path.BaseName], SampleDerivations.Library.ATerm, Cancellation);

        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() =>
            DerivationGraph.LoadAsync(new StoreFolder(folder), [SampleDerivations.Library.Path], Cancellation));

        Assert.Equal("DerivationNotFound", error.Id);
        Assert.Contains(SampleDerivations.Download.Path.BaseName, error.Message);
        Assert.Contains($"“{SampleDerivations.Library.Path}” needs it", error.Message);
        Assert.NotNull(error.Recommendation);
    }

    [Fact]
    public async Task A_missing_root_is_named_by_itself()
    {
        using var folder = new TemporaryFolder();

        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() =>
            DerivationGraph.LoadAsync(new StoreFolder(folder), [SampleDerivations.Library.Path], Cancellation));

        Assert.Contains(SampleDerivations.Library.Path.BaseName, error.Message);
        Assert.DoesNotContain("needs it", error.Message);
    }

    [Fact]
    public async Task A_root_that_is_no_derivation_is_refused()
    {
        var root = StorePath.Parse("/nix/store/2ls68gww6ackc788l0kfz7pdl0gwh4zz-source.txt");

        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => DerivationGraph.LoadAsync(Samples(), [root], Cancellation));

        Assert.Equal("NotADerivation", error.Id);
        Assert.Contains(root.ToString(), error.Message);
    }

    [Fact]
    public async Task An_output_that_an_input_does_not_have_is_named()
    {
        var source = Source([[], [0]]);
        source.Derivations[Path(1)] = Derivation(new() { [Path(0)] = ["out", "dev"] });

        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => DerivationGraph.LoadAsync(source, [Path(1)], Cancellation));

        Assert.Equal("UnknownOutput", error.Id);
        Assert.Contains($"“{Path(1)}” needs the output “dev” of “{Path(0)}”, which has only: out.", error.Message);
    }

    [Fact]
    public async Task Loading_can_be_cancelled()
    {
        using var cancellation = new CancellationTokenSource();
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => DerivationGraph.LoadAsync(Samples(), [SampleDerivations.Library.Path], cancellation.Token));
    }

    private static Task<DerivationGraph> Load(int[][] inputs, params int[] roots) =>
        DerivationGraph.LoadAsync(Source(inputs), roots.Select(Path), Cancellation);

    private static MemorySource Source(int[][] inputs) =>
        new(inputs.Select(
            (row, number) => (Path: Path(number), Derivation: Derivation(row.ToDictionary(Path, _ => (IReadOnlyList<string>)["out"]))))
            .ToDictionary(entry => entry.Path, entry => entry.Derivation));

    private static MemorySource Samples() => new(SampleDerivations.All.ToDictionary(sample => sample.Path, sample => sample.Derivation));

    private static StorePath Path(int number) =>
        StorePath.Parse($"/nix/store/{NixBase32.Encode(SHA256.HashData(Encoding.UTF8.GetBytes($"{number}")).AsSpan(0, 20))}-{number}.drv");

    private static Derivation Derivation(Dictionary<StorePath, IReadOnlyList<string>> inputs) => new()
    {
        Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(null, "", "") },
        InputDerivations = inputs,
        InputSources = [],
        System = "x86_64-linux",
        Builder = "/bin/sh",
        Arguments = [],
        Environment = new Dictionary<string, string>(),
    };

    private static HashSet<int> Closure(int[][] inputs, IEnumerable<int> roots)
    {
        var closure = new HashSet<int>(roots);
        for (var open = new Queue<int>(closure); open.TryDequeue(out var number);)
        {
            foreach (var input in inputs[number].Where(closure.Add)) open.Enqueue(input);
        }
        return closure;
    }

    /// <summary>Derivations in memory; keeps note of what was read.</summary>
    private sealed class MemorySource(Dictionary<StorePath, Derivation> derivations) : IDerivationSource
    {
        private readonly List<StorePath> read = [];

        public Dictionary<StorePath, Derivation> Derivations { get; } = derivations;

        public IReadOnlyList<StorePath> Read => read;

        public Task<Derivation> ReadAsync(StorePath path, CancellationToken cancellation)
        {
            lock (read) read.Add(path);
            return Task.FromResult(Derivations[path]);
        }
    }

    /// <summary>Answers in any order, and counts how many answers are awaited at once.</summary>
    private sealed class ShuffledSource(IDerivationSource source, int seed) : IDerivationSource
    {
        private readonly Random random = new(seed);
        private int atOnce;

        public int MostAtOnce { get; private set; }

        public async Task<Derivation> ReadAsync(StorePath path, CancellationToken cancellation)
        {
            int turns;
            lock (random)
            {
                turns = random.Next(10);
                MostAtOnce = Math.Max(MostAtOnce, ++atOnce);
            }
            for (var turn = 0; turn < turns; turn++) await Task.Yield();
            var derivation = await source.ReadAsync(path, cancellation);
            lock (random) atOnce--;
            return derivation;
        }
    }
}
