using NixBuildFarm.Sharing;
using static NixBuildFarm.Core.Tests.Sharing.SampleUnit;

namespace NixBuildFarm.Core.Tests.Sharing;

/// <summary>A file that is mapped over one of a store path would empty it: nothing but verified folders is mapped.</summary>
public class SandboxMappingsTests
{
    [Fact]
    public void The_folder_of_the_compiler_is_mapped_and_its_own_content_and_the_broker_where_no_input_is()
    {
        var inside = $"{Compiler}/libexec/gcc/x86_64-linux-gnu/12";

        Assert.Equal(
            $"{inside}={Path("nixbuildfarm-shadow")}/shadow /.nixbuildfarm/original={inside} "
                + "/.nixbuildfarm/broker=/run/nixbuildfarm-0a1b2c",
            SandboxMappings.Of(VerifiedFolder(), "/run/nixbuildfarm-0a1b2c"));
    }

    [Theory]
    [InlineData("libexec/gcc/x86_64-linux-gnu/12/cc1")]
    [InlineData("libexec/gcc/x86_64-linux-gnu/..")]
    [InlineData("libexec/gcc/./12")]
    [InlineData("libexec/gcc//12")]
    [InlineData("libexec/gcc/x86_64-linux-gnu")]
    [InlineData("libexec/gcc")]
    [InlineData("bin/gcc/x/12")]
    [InlineData("/libexec/gcc/x/12")]
    [InlineData("bin/cc")]
    [InlineData("")]
    [InlineData("libexec/gcc/x /12")]
    [InlineData("libexec/gcc/x=y/12")]
    [InlineData("libexec/gcc/x/12?")]
    [InlineData("libexec/gcc/x/12\nlibexec/gcc/x/13")]
    [InlineData("../../../etc/gcc/x/12")]
    public void What_is_no_folder_of_a_compiler_is_refused(string folder) => Assert.Throws<OddFrameException>(() => VerifiedFolder(folder));

    [Fact]
    public void What_the_shadow_derivation_has_not_made_is_refused()
    {
        NarTree.File said = new(Bytes("libexec/gcc/x/12"));
        NarTree.Folder stand = new(new Dictionary<string, NarTree> { ["cc1"] = new NarTree.Link("/shim") });
        Refuses(new NarTree.File(Bytes("libexec/gcc/x/12")));
        Refuses(new NarTree.Folder(new Dictionary<string, NarTree> { ["shadow"] = stand }));
        Refuses(new NarTree.Folder(new Dictionary<string, NarTree> { ["folder"] = said }));
        Refuses(new NarTree.Folder(new Dictionary<string, NarTree> { ["folder"] = said, ["shadow"] = new NarTree.Link("/etc") }));
        Refuses(new NarTree.Folder(new Dictionary<string, NarTree> { ["folder"] = said, ["shadow"] = said }));
        Refuses(new NarTree.Folder(new Dictionary<string, NarTree> { ["folder"] = new NarTree.Link("x"), ["shadow"] = stand }));
        Refuses(new NarTree.Folder(new Dictionary<string, NarTree> { ["folder"] = said,
            ["shadow"] = new NarTree.Folder(new Dictionary<string, NarTree>()) }));

        static void Refuses(NarTree tree) => Assert.Throws<OddFrameException>(() =>
            CompilerFolder.Verified(Compiler, Path("nixbuildfarm-shadow"), tree));
    }

    [Theory]
    [InlineData("/nix/store/abc")]
    [InlineData("/run")]
    [InlineData("/tmp")]
    [InlineData("/etc/passwd")]
    [InlineData("/")]
    [InlineData("")]
    [InlineData("run/x")]
    [InlineData("/run/../etc")]
    [InlineData("/run/x/")]
    [InlineData("/run//x")]
    [InlineData("/run/x y")]
    [InlineData("/run/x=/nix/store")]
    [InlineData("/run/x /bin/sh=/run/y")]
    [InlineData("/run/x?")]
    [InlineData("/run/x\n")]
    [InlineData("/var/tmp")]
    public void A_broker_names_a_folder_of_its_own_and_no_other(string folder) =>
        Assert.Throws<OddFrameException>(() => SandboxMappings.Of(VerifiedFolder(), folder));

    [Theory]
    [InlineData("/run/user/1000/nixbuildfarm-x/y")]
    [InlineData("/tmp/nixbuildfarm-x")]
    [InlineData("/var/tmp/nixbuildfarm-x")]
    public void A_folder_of_a_broker_may_be_where_folders_come_and_go(string folder) =>
        Assert.EndsWith($"={folder}", SandboxMappings.Of(VerifiedFolder(), folder));
}
