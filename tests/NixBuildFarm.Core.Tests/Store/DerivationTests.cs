using System.Text;
using CsCheck;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Store;

public class DerivationTests
{
    private const string Minimal = """Derive([("out","","","")],[],[],"x86_64-linux","/bin/sh",[],[])""";

    public static TheoryData<string> Samples { get; } = [.. SampleDerivations.All.Select(sample => sample.ToString())];

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_derivation_that_Nix_wrote_is_written_again_byte_for_byte(string name)
    {
        var aterm = SampleDerivations.All.Single(sample => sample.ToString() == name).ATerm;

        Assert.Equal(aterm, DerivationWriter.Write(Derivation.Parse(aterm)));
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void An_outline_says_how_a_derivation_is_built(string name)
    {
        var aterm = SampleDerivations.All.Single(sample => sample.ToString() == name).ATerm;

        var (full, outline) = (Derivation.Parse(aterm), Derivation.Parse(aterm, isOutline: true));

        Assert.Equal(!full.IsResolvedLater, outline.IsOutline);
        Assert.Equal(full.Outputs, outline.Outputs);
        Assert.Equal(full.InputDerivations.Keys, outline.InputDerivations.Keys);
        Assert.Equal((full.PName, full.Version), (outline.PName, outline.Version));
        Assert.Equal((full.System, full.Builder), (outline.System, outline.Builder));
        Assert.Equal((full.PreferLocalBuild, full.AllowSubstitutes), (outline.PreferLocalBuild, outline.AllowSubstitutes));
        Assert.Equal(full.RequiredSystemFeatures, outline.RequiredSystemFeatures);
    }

    [Fact]
    public void An_outline_is_refused_where_the_derivation_is() =>
        Gen.Select(Generate.Derivation.Select(derivation => DerivationWriter.Write(derivation)), Gen.Int[0, int.MaxValue], Gen.Byte)
            .Sample((aterm, where, value) =>
        {
            aterm[where % aterm.Length] = value;

            Assert.Equal(Error(() => Derivation.Parse(aterm)), Error(() => Derivation.Parse(aterm, isOutline: true)));
        });

    private static string? Error(Func<Derivation> parse)
    {
        try
        {
            _ = parse();
            return null;
        }
        catch (FormatException e)
        {
            return e.Message;
        }
    }

    [Fact]
    public void Every_field_is_read()
    {
        var library = SampleDerivations.Library.Derivation;

        Assert.Equal(["bin", "dev", "out"], library.Outputs.Keys);
        Assert.Equal("/nix/store/i1vm7hvfgnl9dpn1fsbjg2amabksdkfr-library-1.2-dev", library.Outputs["dev"].Path?.ToString());
        Assert.Equal([new(SampleDerivations.Download.Path, ["out"])], library.InputDerivations);
        Assert.Equal(["/nix/store/2ls68gww6ackc788l0kfz7pdl0gwh4zz-source.txt"], library.InputSources.Select(path => path.ToString()));
        Assert.Equal("riscv64-linux", library.System);
        Assert.Equal("/bin/sh", library.Builder);
        Assert.Equal(["-e", "/nix/store/2ls68gww6ackc788l0kfz7pdl0gwh4zz-source.txt"], library.Arguments);
        Assert.Equal(16, library.Environment.Count);
        Assert.Equal("line one\n\ttab \"quoted\" back\\slash\r\n", library.Environment["script"]);
        Assert.Equal("caf\uDCE9 😀 é", library.Environment["bytes"]);
        Assert.Equal("", library.Environment["empty"]);
    }

    [Fact]
    public void The_outputs_of_an_input_that_are_used_are_read() =>
        Assert.Equal(["dev", "out"], SampleDerivations.Structured.Derivation.InputDerivations[SampleDerivations.Library.Path]);

    [Fact]
    public void Attributes_are_read_from_the_environment()
    {
        var library = SampleDerivations.Library.Derivation;

        Assert.Equal("library", library.PName);
        Assert.Equal("1.2", library.Version);
        Assert.Equal(["kvm", "big-parallel"], library.RequiredSystemFeatures);
        Assert.True(library.EnableParallelBuilding);
        Assert.False(library.PreferLocalBuild);
        Assert.False(library.AllowSubstitutes);
    }

    [Fact]
    public void Attributes_are_read_from_structured_attributes()
    {
        var structured = SampleDerivations.Structured.Derivation;

        Assert.Equal("structured", structured.PName);
        Assert.Equal("3", structured.Version);
        Assert.Equal(["nixos-test"], structured.RequiredSystemFeatures);
        Assert.True(structured.EnableParallelBuilding);
        Assert.True(structured.PreferLocalBuild);
        Assert.True(structured.AllowSubstitutes);
    }

    [Theory]
    [InlineData("20000", "16", 20_000_000_000, 16)]
    [InlineData("0", "0", 0, 0)]
    [InlineData("much", "-1", 0, 0)]
    [InlineData("99999999999999999999", "4.5", 0, 0)]
    public void What_a_derivation_says_that_it_needs_is_read_and_what_is_no_number_says_nothing(
        string memory, string cores, long bytes, int count)
    {
        var plain = $"(\"NIXBUILDNET_MIN_CPU\",\"{cores}\"),(\"NIXBUILDNET_MIN_MEM\",\"{memory}\")";
        var variables = $"{{\\\"NIXBUILDNET_MIN_CPU\\\":\\\"{cores}\\\",\\\"NIXBUILDNET_MIN_MEM\\\":\\\"{memory}\\\"}}";
        var structured = @"(""__json"",""{\""env\"":" + variables + @"}"")";

        foreach (var environment in new[] { plain, structured })
        {
            var derivation = Derivation.Parse(Encoding.UTF8.GetBytes(Minimal.Replace("[],[])", $"[],[{environment}])")));
            Assert.Equal((bytes, count), (derivation.LeastMemory, derivation.LeastCores));
        }
    }

    [Fact]
    public void Missing_attributes_have_Nixs_defaults()
    {
        var silent = Derivation.Parse(Encoding.UTF8.GetBytes(Minimal));

        Assert.Null(silent.PName);
        Assert.Null(silent.Version);
        Assert.Empty(silent.RequiredSystemFeatures);
        Assert.False(silent.EnableParallelBuilding);
        Assert.False(silent.PreferLocalBuild);
        Assert.True(silent.AllowSubstitutes);
    }

    [Theory]
    [InlineData("source.tar.gz.drv", nameof(DerivationOutputKind.Fixed), true)]
    [InlineData("library-1.2.drv", nameof(DerivationOutputKind.InputAddressed), true)]
    [InlineData("floating.drv", nameof(DerivationOutputKind.FloatingContentAddressed), false)]
    [InlineData("deferred.drv", nameof(DerivationOutputKind.Deferred), false)]
    [InlineData("impure.drv", nameof(DerivationOutputKind.Impure), false)]
    public void The_kind_of_its_outputs_tells_whether_their_paths_are_known(string name, string kind, bool isKnown)
    {
        var derivation = SampleDerivations.All.Single(sample => sample.ToString() == name).Derivation;

        Assert.All(derivation.Outputs.Values, output => Assert.Equal(kind, output.Kind.ToString()));
        Assert.Equal(isKnown, derivation.AreOutputPathsKnown);
        Assert.Equal(kind == nameof(DerivationOutputKind.Fixed), derivation.IsFixedOutput);
    }

    [Fact]
    public void Nixs_own_builders_are_known_by_their_prefix()
    {
        Assert.True(SampleDerivations.Download.Derivation.IsBuiltin);
        Assert.False(SampleDerivations.Library.Derivation.IsBuiltin);
    }

    [Fact]
    public void Any_derivation_comes_back_from_its_ATerm() =>
        Generate.Derivation.Sample(derivation =>
        {
            var read = Derivation.Parse(DerivationWriter.Write(derivation));

            Assert.Equal(DerivationWriter.Write(derivation), DerivationWriter.Write(read));
            Assert.Equal(derivation.Outputs.OrderBy(output => output.Key, NixText.Order), read.Outputs);
            Assert.Equal(derivation.InputDerivations.Keys.Order(), read.InputDerivations.Keys);
            Assert.All(
                derivation.InputDerivations, input => Assert.Equal(input.Value.Order(NixText.Order), read.InputDerivations[input.Key]));
            Assert.Equal(derivation.InputSources.Order(), read.InputSources);
            Assert.Equal((derivation.System, derivation.Builder), (read.System, read.Builder));
            Assert.Equal(derivation.Arguments, read.Arguments);
            Assert.Equal(derivation.Environment.OrderBy(variable => variable.Key, NixText.Order), read.Environment);
        });

    [Fact]
    public void A_file_that_is_cut_off_is_refused_where_it_ends() =>
        Gen.Select(Generate.Derivation.Select(derivation => DerivationWriter.Write(derivation)), Gen.Double[0, 0.999])
            .Sample((aterm, share) =>
        {
            var length = (int)(aterm.Length * share);
            var error = Assert.Throws<FormatException>(() => Derivation.Parse(aterm.AsSpan(0, length)));
            Assert.Contains("malformed at byte ", error.Message);
        });

    [Fact]
    public void A_changed_byte_is_refused_or_is_part_of_what_is_written_again() =>
        Gen.Select(Generate.Derivation.Select(derivation => DerivationWriter.Write(derivation)), Gen.Int[0, int.MaxValue], Gen.Byte)
            .Sample((aterm, where, value) =>
        {
            aterm[where % aterm.Length] = value;
            try
            {
                Assert.Equal(aterm, DerivationWriter.Write(Derivation.Parse(aterm)));
            }
            catch (FormatException error)
            {
                Assert.StartsWith("The derivation", error.Message);
            }
        });

    [Theory]
    [InlineData("", "byte 0: “Derive(” expected, but it ends there")]
    [InlineData("Hello, world!", "byte 0: “Derive(” expected, but found “Hello, world!”")]
    [InlineData("Derive([],[],[],\"\",\"\",[],[])", "byte 9: it has no outputs")]
    [InlineData("Derive([(\"out\",\"\",\"\",\"\")]", "byte 25: “,” expected, but it ends there")]
    [InlineData("Derive([(\"out\",\"\",\"\",\"\")],{", "byte 26: “[” expected, but found “{”")]
    [InlineData("Derive([(out", "byte 9: a string in quotes expected, but found “out”")]
    [InlineData("Derive([(\"out", "byte 13: the string that begins at byte 9 does not end")]
    [InlineData("Derive([(\"o\\ut", "byte 11: the escape is none of")]
    [InlineData("Derive([(\"out\\", "byte 13: the escape is none of")]
    [InlineData("Derive([(\"o\nut", "byte 11: a line break")]
    [InlineData("Derive([(\"out\",\"/tmp\",\"\",\"\")]", "byte 15: “/tmp” is not a store path: it does not begin with /nix/store/")]
    [InlineData("Derive([(\"out\",\"\",\"\",\"\"),(\"out\"", "byte 25: the output “out” is there twice")]
    [InlineData("Derive([(\"out\",\"\",\"\",\"\"),(\"dev\"", "byte 25: the output “dev” follows “out”, but they must be sorted")]
    [InlineData("Derive([(\"out\",\"\",\"\",\"00\")]", "byte 8: path, hash algorithm and hash of the output “out” contradict each other")]
    [InlineData("Derive([(\"out\",\"\",\"sha256\",\"00\")]", "contradict each other")]
    [InlineData("Derive([(\"\",\"\",\"\",\"\")]", "byte 8: an output has no name")]
    [InlineData("Derive([(\"out\",\"\",\"\",\"\")]],", "byte 25: “,” expected, but found “],”")]
    [InlineData("Derive([(\"out\",\"\",\"\",\"\")(", "byte 24: “,” or “]” expected, but found “(”")]
    [InlineData("Derive([\u001b[2J", "byte 8: “(” expected, but found “\uFFFD[2J”")]
    [InlineData(Minimal + "\n", "byte 63: the end expected, but found “\uFFFD”")]
    public void A_malformed_derivation_is_refused_with_offset_and_expectation(string aterm, string reason)
    {
        var error = Assert.Throws<FormatException>(() => Derivation.Parse(Encoding.UTF8.GetBytes(aterm)));

        Assert.Contains(reason, error.Message);
        Assert.DoesNotContain('\u001b', error.Message);
    }

    [Fact]
    public void An_input_derivation_must_be_a_derivation()
    {
        var aterm = Minimal.Replace(",[],[],", ",[(\"/nix/store/2ls68gww6ackc788l0kfz7pdl0gwh4zz-source.txt\",[\"out\"])],[],");

        Assert.Contains("is not a .drv", Assert.Throws<FormatException>(() => Derivation.Parse(Encoding.UTF8.GetBytes(aterm))).Message);
    }

    [Theory]
    [InlineData("{", "not valid JSON")]
    [InlineData("[]", "no JSON object")]
    [InlineData("{\"pname\":\"\\ud800\"}", "not valid JSON")]
    public void Structured_attributes_that_are_no_JSON_object_are_refused(string json, string reason)
    {
        var aterm = DerivationWriter.Write(WithEnvironment(new() { ["__json"] = json }));

        Assert.Contains(reason, Assert.Throws<FormatException>(() => Derivation.Parse(aterm)).Message);
    }

    [Fact]
    public void Structured_attributes_that_are_not_UTF8_are_refused() =>
        Assert.Throws<FormatException>(
            () => Derivation.Parse(DerivationWriter.Write(WithEnvironment(new() { ["__json"] = "{\"pname\":\"caf\uDCE9\"}" }))));

    [Fact]
    public void Structured_attributes_of_other_types_than_expected_do_no_harm()
    {
        var derivation = WithEnvironment(
            new()
            {
                ["__json"] = """{"pname":1,"requiredSystemFeatures":[1,"kvm",null],"preferLocalBuild":"yes","allowSubstitutes":null}""",
            });

        Assert.Null(derivation.PName);
        Assert.Equal(["kvm"], derivation.RequiredSystemFeatures);
        Assert.False(derivation.PreferLocalBuild);
        Assert.False(derivation.AllowSubstitutes);
    }

    [Fact]
    public void A_derivation_larger_than_the_limit_is_refused() =>
        Assert.Contains("more than", Assert.Throws<FormatException>(() => Derivation.Parse(new byte[Derivation.MaxSize + 1])).Message);

    [Fact]
    public void A_builder_gets_the_sources_and_the_resolved_inputs_sorted_without_duplicates()
    {
        var library = SampleDerivations.Library.Derivation;
        var source = library.InputSources.Single();
        var input = SampleDerivations.Download.Derivation.Outputs["out"].Path!;

        var basic = BasicDerivation.From(library, [input, source, input]);

        Assert.Equal([source, input], basic.InputPaths);
        Assert.Equal(library.Outputs, basic.Outputs);
        Assert.Equal(
            (library.System, library.Builder, library.Arguments, library.Environment),
            (basic.System, basic.Builder, basic.Arguments, basic.Environment));
    }

    [Fact]
    public void No_builder_gets_a_derivation_whose_output_paths_depend_on_its_inputs() =>
        Assert.Throws<ArgumentException>(() => BasicDerivation.From(SampleDerivations.Deferred.Derivation, []));

    private static Derivation WithEnvironment(Dictionary<string, string> environment) => new()
    {
        Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(null, "", "") },
        InputDerivations = new Dictionary<StorePath, IReadOnlyList<string>>(),
        InputSources = [],
        System = "x86_64-linux",
        Builder = "/bin/sh",
        Arguments = [],
        Environment = environment,
    };

    [Theory]
    [InlineData(
        "r:sha256",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "fixed:r:sha256:0000000000000000000000000000000000000000000000000000")]
    [InlineData("sha1", "0000000000000000000000000000000000000000", "fixed:sha1:00000000000000000000000000000000")]
    [InlineData("r:sha256", "impure", null)]
    [InlineData("", "", null)]
    public void The_content_address_of_a_fixed_output_is_as_stores_write_it(string algorithm, string hash, string? address) =>
        Assert.Equal(
            address,
            new DerivationOutput(StorePath.Parse("/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y-a"), algorithm, hash).ContentAddress);
}
