namespace NixBuildFarm.Core.Tests.Sharing;

/// <summary>The shim as the builder of the folder that is mounted over the compiler's own: only folders are ever mapped.</summary>
public sealed class ShimShadowTests : IClassFixture<ShimProgram>
{
    private readonly ShimProgram shim;
    private readonly string toolchain, output;

    public ShimShadowTests(ShimProgram shim)
    {
        this.shim = shim;
        Assert.SkipWhen(shim.Problem is "gcc is not installed", "gcc is not installed");
        Assert.Null(shim.Problem);
        toolchain = Path.Combine(shim.Folder, "store", $"{Guid.NewGuid():N}-gcc");
        output = Path.Combine(shim.Folder, "store", $"{Guid.NewGuid():N}-shadow");
        Directory.CreateDirectory(toolchain);
    }

    [Fact]
    public async Task It_takes_the_place_of_the_compilers_and_leads_to_everything_else()
    {
        MakeCompiler("libexec/gcc/target/12");
        Directory.CreateDirectory(Path.Combine(toolchain, "libexec/gcc/target/12/plugin"));
        File.WriteAllText(Path.Combine(toolchain, "libexec/gcc/target/12/.hidden"), "");

        Assert.Equal(new(0, "", ""), await RunAsync());

        Assert.Equal(
            "libexec/gcc/target/12\n", await File.ReadAllTextAsync(Path.Combine(output, "folder"), TestContext.Current.CancellationToken));
        var links = Directory.GetFileSystemEntries(Path.Combine(output, "shadow"))
            .ToDictionary(path => Path.GetFileName(path), path => new FileInfo(path).LinkTarget);
        var program = Path.Combine(shim.Folder, "shim");
        Assert.Equal(
            new()
            {
                ["cc1"] = program,
                ["cc1plus"] = program,
                ["collect2"] = Original("collect2"),
                ["plugin"] = Original("plugin"),
                [".hidden"] = Original(".hidden"),
            },
            links);
    }

    [Fact]
    public async Task Folders_without_a_compiler_are_not_looked_at()
    {
        MakeCompiler("libexec/gcc/target/12");
        Directory.CreateDirectory(Path.Combine(toolchain, "libexec/gcc/target/13"));
        Directory.CreateDirectory(Path.Combine(toolchain, "libexec/gcc/other"));

        Assert.Equal(0, (await RunAsync()).Code);
    }

    [Fact]
    public async Task Two_versions_are_refused()
    {
        MakeCompiler("libexec/gcc/target/12");
        MakeCompiler("libexec/gcc/target/13");

        await RefusesAsync("more than one");
    }

    [Fact]
    public async Task A_toolchain_without_a_compiler_proper_is_refused()
    {
        Directory.CreateDirectory(Path.Combine(toolchain, "libexec/gcc/target/12"));

        await RefusesAsync("has no folder");
    }

    [Theory]
    [InlineData("libexec")]
    [InlineData("libexec/gcc")]
    [InlineData("libexec/gcc/target")]
    [InlineData("libexec/gcc/target/12")]
    [InlineData("libexec/gcc/target/12/cc1")]
    public async Task A_link_on_the_way_is_refused(string link)
    {
        MakeCompiler("libexec/gcc/target/12");
        File.Delete(Path.Combine(toolchain, "libexec/gcc/target/12/cc1plus"));
        var path = Path.Combine(toolchain, link);
        Directory.Move(path, path + ".real");
        File.CreateSymbolicLink(path, path + ".real");
        if (link is "libexec/gcc/target" or "libexec/gcc/target/12") Directory.Move(path + ".real", Path.Combine(toolchain, "real"));

        await RefusesAsync("has no folder");
    }

    [Fact]
    public async Task A_file_where_a_folder_is_wanted_is_refused()
    {
        Directory.CreateDirectory(Path.Combine(toolchain, "libexec"));
        await File.WriteAllTextAsync(Path.Combine(toolchain, "libexec/gcc"), "", TestContext.Current.CancellationToken);

        await RefusesAsync("has no folder");
    }

    [Fact]
    public async Task What_is_no_store_path_is_refused()
    {
        MakeCompiler("libexec/gcc/target/12");

        foreach (var path in new[] { "/usr", toolchain + "/libexec", "" })
        {
            Assert.Equal(
                64,
                (
                    await ShimProgram.EndAsync(
                        shim.StartTrade("shadow", shim.Folder, new Dictionary<string, string> { ["toolchain"] = path, ["out"] = output })))
                    .Code);
        }
        Assert.False(Directory.Exists(output));
    }

    private async Task RefusesAsync(string reason)
    {
        var end = await RunAsync();

        Assert.Equal(65, end.Code);
        Assert.Contains(reason, end.Error);
        Assert.False(Directory.Exists(output));
    }

    private Task<ShimEnd> RunAsync() =>
        ShimProgram.EndAsync(
            shim.StartTrade("shadow", shim.Folder, new Dictionary<string, string> { ["toolchain"] = toolchain, ["out"] = output }));

    private string Original(string name) => Path.Combine(shim.Folder, "original", name);

    private void MakeCompiler(string folder)
    {
        Directory.CreateDirectory(Path.Combine(toolchain, folder));
        foreach (var name in new[] { "cc1", "cc1plus", "collect2" })
        {
            File.Copy(Path.Combine(shim.Folder, "original", "cc1"), Path.Combine(toolchain, folder, name));
        }
    }
}
