using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Store;

/// <summary>With what Nix 2.8.0 computed for the same derivations.</summary>
public class DerivationHashesTests
{
    public static TheoryData<string, string> Realisations => new()
    {
        { SampleUnresolved.Fixed.ToString(), "sha256:0d302074e089d670ecd855bf9fe59e62284faa9e3e8d19558672c993f806a4b9!out" },
        { SampleUnresolved.Plain.ToString(), "sha256:e813ff8961616a34d85a9ab2b037b5c0e92182a220de99f7b9cbebb871124901!dev" },
        { SampleUnresolved.Floating.ToString(), "sha256:98f4cb16788eb42218e5bdb0eba1c3848e78f6d2865751a2c8b038d5f5cbb39e!lib" },
        { SampleUnresolved.Flat.ToString(), "sha256:0ea4719da1656894f3a3be1ad434b055d5c9ba8c63f3836aac5ebbf8394ba8c6!out" },
        { SampleUnresolved.Deferred.ToString(), "sha256:6934d2bd73eddf0817eff6e80cb58aeab8b6fb683b582de280b3be08c3e13ba4!doc" },
        { SampleUnresolved.Top.ToString(), "sha256:7bcb9c66beea1d3a01bb084dc4a224c2093bbec4590d13d269092387f9b8e1d5!out" },
    };

    [Theory]
    [MemberData(nameof(Realisations))]
    public async Task An_output_is_looked_up_by_the_hash_of_its_derivation(string derivation, string id)
    {
        var graph = await SampleUnresolved.LoadAsync();
        var hashes = new DerivationHashes(graph);
        var node = graph.Find(StorePath.Parse(derivation))!;

        Assert.Equal(id, hashes.RealisationId(node, id[(id.IndexOf('!') + 1)..]));
        // What was asked before makes no difference.
        hashes.RealisationId(graph.Find(SampleUnresolved.Top)!, "out");
        Assert.Equal(id, hashes.RealisationId(node, id[(id.IndexOf('!') + 1)..]));
    }

    [Fact]
    public async Task Outputs_that_depend_on_content_addressed_ones_are_where_Nix_puts_them()
    {
        var graph = await SampleUnresolved.LoadAsync();

        var resolved = ResolvedDerivation.Of(
            graph.Find(SampleUnresolved.Deferred)!,
            [
                new(StorePath.Parse("/nix/store/z24mp951s3f66cjhlrckzrhnvs3fzfbk-plain")),
                Input(SampleUnresolved.Floating, "lib", "/nix/store/d8xa3rahjw8wl17y83hk0nzqf3gnmh4m-floating-lib"),
                Input(SampleUnresolved.Floating, "out", "/nix/store/fnwv8vg3zyr9fakg4qlzc1ld06x68c8k-floating"),
                Input(SampleUnresolved.Flat, "out", "/nix/store/44fx5dr1z4aympw4bh44nfsksbpglh2p-flat"),
            ]);

        var paths = resolved.Derivation.Outputs.ToDictionary(output => output.Key, output => output.Value.Path!.ToString());
        Assert.Equal(
            ["/nix/store/mknzvl8kp2fwlh381pbb04vqx5fvnhay-deferred", "/nix/store/np0mll6bm3zxs14hbm5cv20k3b3r4g3f-deferred-doc"],
            paths.Values.Order());
        Assert.EndsWith("-deferred", paths["out"]);
        Assert.Equal(paths["doc"], resolved.Derivation.Environment["doc"]);
        Assert.Equal(
            "/nix/store/d8xa3rahjw8wl17y83hk0nzqf3gnmh4m-floating-lib /nix/store/fnwv8vg3zyr9fakg4qlzc1ld06x68c8k-floating "
                + "/nix/store/z24mp951s3f66cjhlrckzrhnvs3fzfbk-plain /nix/store/44fx5dr1z4aympw4bh44nfsksbpglh2p-flat",
            resolved.Derivation.Environment["inputs"]);
    }

    [Fact]
    public async Task What_needs_no_other_derivation_is_itself_once_it_is_resolved()
    {
        var graph = await SampleUnresolved.LoadAsync();
        var flat = graph.Find(SampleUnresolved.Flat)!;

        var resolved = ResolvedDerivation.Of(flat, []);

        Assert.Equal(SampleUnresolved.Flat, resolved.Path);
        Assert.Equal(new DerivationHashes(graph).RealisationId(flat, "out"), resolved.RealisationId("out"));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("x/0/1y/", "/bin/sh")]
    [InlineData("/", "/")]
    public void Placeholders_are_replaced_wherever_they_stand(string between, string end)
    {
        var first = new UsedOutput(SampleUnresolved.Floating, "lib");
        var second = new UsedOutput(SampleUnresolved.Floating, "out");
        var places = new Placeholders([new(SampleUnresolved.Top, first.Placeholder), new(SampleUnresolved.Flat, second.Placeholder)]);

        Assert.Equal(
            $"{SampleUnresolved.Top}{between}{SampleUnresolved.Flat}{end}",
            places.Fill($"{first.Placeholder}{between}{second.Placeholder}{end}"));
        Assert.Equal(second.Placeholder[..^1], places.Fill(second.Placeholder[..^1]));
    }

    private static RealisedInput Input(StorePath derivation, string output, string path) =>
        new(StorePath.Parse(path), new UsedOutput(derivation, output).Placeholder);
}
