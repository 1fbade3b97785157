using System.Text;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Store;

/// <summary>With what Nix 2.34.8 wrote and computed.</summary>
public class DynamicDerivationTests
{
    private const string Maker = "/nix/store/31fn49hjzj10zz20qz5d4k29s1w2la0z-inner.drv.drv";
    private const string InnerFile = "/nix/store/4ykivdfachjz9lr68030y6dlbc0fmz15-inner.drv";
    private const string Inner = "/nix/store/4v4z54s91v28svig0r1ac9ngfdcsg9s7-inner";
    private const string InnerDev = "/nix/store/k006d7ylgnidp769zanks9agh32175sl-inner-dev";
    private const string Floating = "/nix/store/qgggmh3l96fi791a1gqbxc2lmf926cxz-floating";
    private const string Only = "/nix/store/73cg5dy0ff1by02cgqymd3sr4v479f0s-only";
    private const string User = "/nix/store/mv4399vv7gz3b3rja0zdi4z8xknkc91i-user";

    public static TheoryData<string> Samples { get; } = [.. SampleDynamic.All.Select(path => path.ToString())];

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_derivation_that_Nix_wrote_is_written_again_byte_for_byte_and_has_the_path_that_Nix_gave_it(string path)
    {
        var file = StorePath.Parse(path);
        var derivation = Derivation.Parse(SampleDynamic.TextOf(file));

        Assert.Equal(SampleDynamic.TextOf(file), DerivationWriter.Write(derivation));
        Assert.Equal(file, new DerivationFile(derivation, file.Name[..^".drv".Length]).Info.Path);
    }

    [Fact]
    public async Task What_is_used_of_a_made_derivation_is_read_beside_what_is_used_of_the_one_that_makes_it()
    {
        var user = (await SampleDynamic.LoadAsync(SampleDynamic.User)).Find(SampleDynamic.User)!;

        var input = Assert.Single(user.Inputs);
        Assert.Equal(["out"], input.Outputs);
        Assert.Equal(["dev", "out"], Assert.Single(input.Made).Value.Outputs);
        Assert.Equal(["out"], input.Needed);
    }

    [Fact]
    public async Task Derivations_that_make_derivations_that_make_derivations_are_read()
    {
        var nested = (await SampleDynamic.LoadAsync(SampleDynamic.Nested)).Find(SampleDynamic.Nested)!;

        var made = nested.Derivation.DynamicInputs[SampleDynamic.MakerMaker]["out"];
        Assert.Empty(made.Outputs);
        Assert.Equal(["out"], made.Needed);
        Assert.Equal(["out"], made.Made["out"].Outputs);
    }

    [Fact]
    public void The_placeholder_of_an_output_follows_from_what_leads_to_it()
    {
        Assert.Equal(
            "/1n07m5ank96injf1bk9cv97asy43kzv7pk66np2fr55mah6ibi56", new UsedOutput(SampleDynamic.Maker, "out").Placeholder);
        Assert.Equal(
            "/0mjhkn4dxk5j3l14jkmzxfvrnsm8r0hzhnzbykyf8ibyz8aq0s3a", new UsedOutput(SampleDynamic.Maker, "out", "out").Placeholder);
        Assert.Equal(
            "/1g7znb4gixnd8ssgsx9h5q5z069ddg5ry5axpyc46bl03jhc1mrj", new UsedOutput(SampleDynamic.Maker, "out", "dev").Placeholder);
        Assert.Equal(
            "/14b26h93anx6brk4n011s16viz45624iajxwxflhcgar0ibz7c70",
            new UsedOutput(SampleDynamic.MakerMaker, "out", "out", "out").Placeholder);
    }

    [Theory]
    [InlineData(
        "user",
        "bc2530ff6e600fa8d7eaba194aa8a0bece461884491b157ed53dafb7b8ba231a",
        "9dc06f47c6be1a10368944a4ab6ca9975c519ce227222c9eda0d543f25bb1cfc")]
    [InlineData(
        "only",
        "1b62dc5118313ad57f0a9db4616b478bad39d174adf4a7a0d51be185b407fe1c",
        "9f8b2d15c726c2935675b373c2feed048810e70e2e4539a55bab46ebb1f32e7d")]
    [InlineData(
        "nested",
        "290ed1db924d56d266ed5e8140c6e8839119bd629f62f3893233c3ed34bdbc12",
        "04abf2dc223ace407d40725e343c5db802195009a99804b6d10523bee7a01bfd")]
    [InlineData(
        "above",
        "b89bb1cde19ff642c6aea16d67aed4b69989286fb34edf253c243f3cd59ecaf6",
        "633fbeb07a0fdc8f91888e9acd4aa5384761aaeacec853d3a7f47a65b3c209e3")]
    public async Task Its_outputs_are_looked_up_by_the_hashes_that_Nix_registers_and_are_where_Nix_puts_them(
        string name, string named, string resolved)
    {
        var (path, inputs, output) = name switch
        {
            "user" => (SampleDynamic.User, (RealisedInput[])[
                Input(InnerFile, SampleDynamic.Maker, "out"), Input(Inner, SampleDynamic.Maker, "out", "out"),
                Input(InnerDev, SampleDynamic.Maker, "out", "dev")], User),
            "only" => (SampleDynamic.Only, [
                Input(Inner, SampleDynamic.Maker, "out", "out"), Input(Floating, SampleDynamic.Floating, "out")], null),
            "nested" => (SampleDynamic.Nested, [
                Input(Inner, SampleDynamic.MakerMaker, "out", "out", "out"),
                Input(Floating, SampleDynamic.FloatingMaker, "out", "out")], "/nix/store/49ckhhapkjdni89fccsdv9dl8x10b40k-nested"),
            _ => (SampleDynamic.Above, [Input(Only, SampleDynamic.Only, "out"), Input(User, SampleDynamic.User, "out")],
                "/nix/store/sdpzw2d1izva83fv92yjvn8p6ga3x320-above"),
        };
        var graph = await SampleDynamic.LoadAsync(path);
        var node = graph.Find(path)!;

        var made = ResolvedDerivation.Of(node, inputs);

        Assert.Equal($"sha256:{named}!out", new DerivationHashes(graph).RealisationId(node, "out"));
        Assert.Equal($"sha256:{resolved}!out", made.RealisationId("out"));
        Assert.Equal(output, made.Derivation.Outputs["out"].Path?.ToString());
        Assert.Empty(made.Derivation.DynamicInputs);
    }

    [Theory]
    [InlineData("DrvWithVersion(\"xp-other\",", "[(\"MAKER\",[\"out\"])]", "expected, but found")]
    [InlineData("DrvWithVersion(\"xp-dyn-drv\",", "[(\"MAKER\",[\"out\"])]", "has none")]
    [InlineData("DrvWithVersion(\"xp-dyn-drv\",", "[(\"MAKER\",([],[]))]", "an output that is a derivation expected")]
    [InlineData("DrvWithVersion(\"xp-dyn-drv\",", "[(\"MAKER\",([],[(\"out\",[\"out\"]),(\"dev\",[\"out\"])]))]", "must be sorted")]
    [InlineData("Derive(", "[(\"MAKER\",([],[(\"out\",[\"out\"])]))]", "“[” expected")]
    public void What_Nix_does_not_write_is_refused(string start, string inputs, string reason)
    {
        var text = $"{start}[(\"out\",\"\",\"\",\"\")],{inputs.Replace("MAKER", Maker)},[],\"\",\"\",[],[])";

        Assert.Contains(reason, Assert.Throws<FormatException>(() => Derivation.Parse(Encoding.UTF8.GetBytes(text))).Message);
    }

    [Fact]
    public void Nesting_without_end_is_refused()
    {
        const int Depth = 1_000_000;
        var nested = string.Concat(Enumerable.Repeat("([],[(\"out\",", Depth).Append("[\"out\"]"))
            + string.Concat(Enumerable.Repeat(")])", Depth));
        var text = $"DrvWithVersion(\"xp-dyn-drv\",[(\"out\",\"\",\"\",\"\")],[(\"{Maker}\",{nested})],[],\"\",\"\",[],[])";

        Assert.Contains("expected", Assert.Throws<FormatException>(() => Derivation.Parse(Encoding.UTF8.GetBytes(text))).Message);
    }

    private static RealisedInput Input(string path, StorePath derivation, params string[] outputs) =>
        new(StorePath.Parse(path), new UsedOutput(derivation, outputs).Placeholder);
}
