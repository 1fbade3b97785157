using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Sharing;

/// <summary>Real programs, and calls of the compiler of every kind: what is shared has the same bits as what Nix alone builds.</summary>
public sealed class ShimPackageTests(TestFarm farm) : IAsyncDisposable
{
    private readonly ShimFarm shims = new(farm);

    public ValueTask DisposeAsync() => shims.DisposeAsync();

    [Theory]
    [InlineData("zoo", "zoo", 20)]
    [InlineData("lua", "lua-5.4.4", 10)]
    [InlineData("redis", "redis-7.0.15", 12)]
    [InlineData("program", "program", 5)]
    public async Task A_package_has_the_same_bits_when_others_compile_for_it(string attribute, string name, int shared)
    {
        Assert.SkipUnless(shims.HasToolchain, "the toolchain of tests/Farm/toolchain is not there");
        await shims.WriteAsync("package", attribute, units: 14);
        await shims.AddHomeAsync("--sandbox");
        await shims.AddHelperAsync();

        var build =
            shims.Session.Run("Get-NixBuilder beryl, coral | Invoke-NixDistributedBuild -Path package.nix -Share Always -CopyBack None")
            .Succeeded();

        Assert.InRange(ShimFarm.Shared(build, name), shared, 1000);
        Assert.Equal(await shims.PlainHashAsync(build[name]), await shims.HashAsync(build[name]));
        await shims.NothingIsHarmedAsync();
    }
}
