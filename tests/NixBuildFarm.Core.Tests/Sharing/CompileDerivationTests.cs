using System.Security.Cryptography;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using static NixBuildFarm.Core.Tests.Sharing.SampleUnit;

namespace NixBuildFarm.Core.Tests.Sharing;

/// <summary>
/// A compile as a derivation: what it may read is laid down by the coordinator, and its path follows from all that counts.
/// </summary>
public class CompileDerivationTests
{
    private static readonly HashSet<StorePath> Closure = [Compiler, Wrapper, Libc];

    [Fact]
    public void A_description_is_read_as_it_was_written()
    {
        var unit = CompileUnit.Read(Description());

        Assert.Equal(Folder, NixText.GetString(unit.Folder.Span));
        Assert.Equal(["-quiet", "main.c", "-o", ""], unit.Arguments.Select(text => NixText.GetString(text.Span)));
        Assert.Equal(3, unit.OutputArgument);
        Assert.Equal(["LC_ALL=C"], unit.Environment.Select(text => NixText.GetString(text.Span)));
        Assert.Equal([Libc], unit.Headers);
        Assert.Equal([("main.c", (long)Main.Length), ("../limits.h", Header.Length)], unit.Files
            .Select(file => (NixText.GetString(file.Name.Span), file.Size)));
        Assert.All(unit.Files, file => Assert.Null(file.ModifiedAt));
    }

    [Fact]
    public void The_derivation_runs_the_shim_on_what_the_coordinator_has_laid_down()
    {
        var toolchain = Toolchain();
        var compile = CompileDerivation.Of(CompileUnit.Read(Description()), "main.c", CompilerTool.C, toolchain, Closure);

        var derivation = compile.Derivation.Basic;
        Assert.Equal((toolchain.Shim.ToString(), "x86_64-linux"), (derivation.Builder, derivation.System));
        Assert.Equal(["run"], derivation.Arguments);
        Assert.Equal($"{Compiler}/libexec/gcc/x86_64-linux-gnu/12/cc1", derivation.Environment["tool"]);
        Assert.Equal(compile.Manifest.Path.ToString(), derivation.Environment["manifest"]);
        Assert.Equal(compile.Derivation.Output.ToString(), derivation.Environment["out"]);
        Assert.Equal(
            new[] { compile.Manifest.Path, UnitFile.Holding(Main).Path, UnitFile.Holding(Header).Path,
                toolchain.Shim, Compiler, Libc }.Order(),
            derivation.InputPaths);
    }

    [Theory]
    [InlineData("main.c", "nixbuildfarm-compile-main.c")]
    [InlineData("../src/a b/münze.cc", "nixbuildfarm-compile-mnze.cc")]
    [InlineData("/", "nixbuildfarm-compile")]
    [InlineData("", "nixbuildfarm-compile")]
    public void A_result_is_named_after_its_source_as_far_as_a_store_path_can_be(string source, string name)
    {
        Assert.Equal(name, CompileDerivation.NameOf(source));
        var output = CompileDerivation.Of(CompileUnit.Read(Description()), source, CompilerTool.C, Toolchain(), Closure).Derivation.Output;
        Assert.Equal(name, output.Name);
        Assert.True(CompileDerivation.IsResult(output));
    }

    [Fact]
    public void Another_tool_than_the_one_that_was_called_is_not_run_whatever_the_unit_says()
    {
        var compile = CompileDerivation.Of(CompileUnit.Read(Description(tool: "../../../evil")),
            "main.c", CompilerTool.CPlusPlus, Toolchain(), Closure);

        Assert.Equal($"{Compiler}/libexec/gcc/x86_64-linux-gnu/12/cc1plus", compile.Derivation.Basic.Environment["tool"]);
    }

    [Fact]
    public void A_header_that_the_build_itself_may_not_read_is_refused() => Assert.Throws<OddFrameException>(
        () => CompileDerivation.Of(CompileUnit.Read(Description(headers: [Path("secret").ToString()])),
            "main.c", CompilerTool.C, Toolchain(), Closure));

    [Fact]
    public void The_same_unit_has_the_same_path_and_each_change_gives_another()
    {
        StorePath Output(byte[] description) =>
            CompileDerivation.Of(CompileUnit.Read(description), "main.c", CompilerTool.C, Toolchain(), Closure).Derivation.Output;

        Assert.Equal(Output(Description()), Output(Description()));
        StorePath[] all =
        [
            Output(Description()),
            Output(Description(folder: "/build/other")),
            Output(Description(arguments: ["-O2", "main.c", "-o", ""])),
            Output(Description(headers: [])),
            Output(Description(files: [("main.c", (ulong)Header.Length, Header)])),
            Output(Description(files: [("other.c", (ulong)Main.Length, Main)])),
        ];
        Assert.Equal(all.Length, all.Distinct().Count());
    }

    [Fact]
    public void A_file_has_the_path_that_its_content_address_gives()
    {
        var file = UnitFile.Holding(Main);

        Assert.True(ContentAddress.Gives(file.Info));
        Assert.Equal(StoreFile.PathOf("nixbuildfarm-file", new(SHA256.HashData(Main))), file.Path);
    }

    [Fact]
    public async Task The_NAR_of_a_file_is_the_one_that_is_announced()
    {
        var file = UnitFile.Holding(Main);
        using var nar = new MemoryStream();
        await file.Source.WriteNarAsync(nar, TestContext.Current.CancellationToken);

        Assert.Equal(new Store.NarTree.File(Main).Encode(), nar.ToArray());
        Assert.Equal((nar.Length, new Sha256Hash(SHA256.HashData(nar.ToArray()))), (file.Info.NarSize, file.Info.NarHash));
    }

    [Fact]
    public void The_path_of_an_output_is_the_one_that_Nix_computes()
    {
        // nix-instantiate of: derivation { name = "x"; system = "x86_64-linux"; builder = "/bin/sh"; args = ["run"]; }
        var derivation = PlainDerivation.Of("x", "x86_64-linux", "/bin/sh", ["run"], new Dictionary<string, string>(), []);

        Assert.Equal("/nix/store/3djiig47h2kr9jqd4m7nnqi5md59wd07-x.drv", derivation.Path.ToString());
        Assert.Equal("/nix/store/nc4y75vsar58mdigsj8hk440zarxsrhj-x", derivation.Output.ToString());
    }

    public static TheoryData<byte[]> Odd => new()
    {
        Array.Empty<byte>(),
        Description()[..^1],
        (byte[])[.. Description(), 0],
        Description(folder: "build"),
        Description(folder: ""),
        Description(output: 4),
        Description(output: 1),
        Description(headers: ["/nix/store/x"]),
        Description(headers: [Libc + "/include"]),
        Description(headers: ["/etc/passwd"]),
        Description(arguments: ["a\0b", "", "", ""]),
        Description(files: [("", 0, [])]),
        Description(files: [("a.h", 0, []), ("a.h", 0, [])]),
        Description(files: [("a.h", ulong.MaxValue, [])]),
        Description(files: [("a.h", 200UL << 20, []), ("b.h", 200UL << 20, [])]),
        Description(files: [.. Enumerable.Range(0, 3001).Select(i => ($"{i}.h", 0UL, Array.Empty<byte>()))]),
        Description(count: 0x40000000),
    };

    [Theory]
    [MemberData(nameof(Odd))]
    public void A_description_that_is_none_or_asks_for_too_much_is_refused(byte[] description) =>
        Assert.Throws<OddFrameException>(() => CompileUnit.Read(description));
}
