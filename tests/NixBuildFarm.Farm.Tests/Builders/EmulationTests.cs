using System.Management.Automation;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builders;

/// <summary>A builder that emulates other processors with qemu-user, as the article's do.</summary>
public sealed class EmulationTests(TestFarm farm) : IAsyncLifetime
{
    private const string Systems = "x86_64-linux,aarch64-linux,riscv64-linux";
    private readonly BuildSession session = new();
    private Emulation? emulation;
    private AddedHost garnet = null!;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(Emulation.IsInstalled, "qemu-user-static is not installed");
        emulation = await Emulation.BeginAsync(farm);
        garnet = await farm.AddAsync(
            "garnet", "--systems", Systems, "--conf", "extra-platforms = aarch64-linux riscv64-linux", "--sandbox", "--slots", "2");
    }

    public async ValueTask DisposeAsync()
    {
        session.Dispose();
        if (garnet is not null) await garnet.DisposeAsync();
        if (emulation is not null) await emulation.DisposeAsync();
    }

    [Fact]
    public async Task A_test_with_builds_tells_emulated_systems_from_native_ones()
    {
        var builds = Builds();

        Assert.Equal(["x86_64-linux", "aarch64-linux", "riscv64-linux"], builds.Select(b => b.Properties["System"].Value));
        Assert.All(builds, b => Assert.True((bool)b.Properties["Success"].Value, b.ToString()));
        Assert.Equal([false, true, true], builds.Select(b => b.Properties["IsEmulated"].Value));
        Assert.Equal(1.0, builds[0].Properties["Speed"].Value);
        // A busy moment may have slowed the native build down: then others tell.
        await Until.TrueAsync(() => Task.FromResult(AreSlower(builds) || AreSlower(Builds())), "the emulated systems are slower");
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join('\n', builds));

        IReadOnlyList<PSObject> Builds() => [.. session.Run("(Test-NixBuilder garnet -Build -TimeoutSec 600).Builds").Script.Output];

        static bool AreSlower(IReadOnlyList<PSObject> builds) =>
            builds.Skip(1).All(b => (double)b.Properties["Speed"].Value is >= 0.001 and <= 0.99);
    }

    [Fact]
    public void Derivations_of_emulated_systems_are_built_and_the_other_builders_say_why_they_do_not()
    {
        session.Write("foreign", """
            let of = system: attrs { inherit system; } "for-${system}" (sleep 0) [ ];
            in package "all" "cat $inputs > $out" [ (of "aarch64-linux") (of "riscv64-linux") ]
            """);

        var build = session.Run("Get-NixBuilder | Invoke-NixDistributedBuild -Path foreign.nix").Succeeded();

        Assert.Equal("garnet", build["for-riscv64-linux"].Builder);
        Assert.Equal("garnet", build["for-aarch64-linux"].Builder);
    }

    [Fact]
    public async Task A_native_builder_is_preferred_once_the_numbers_say_that_it_is_faster()
    {
        // The scheduler knows of no emulation, only of durations: half the time here stands for the native machine that nobody has.
        await using var opal = await farm.AddAsync(
            "opal", "--systems", "riscv64-linux", "--conf", "extra-platforms = riscv64-linux", "--sandbox");
        foreach (var (builder, seconds) in new[] { ("opal", "6"), ("garnet", "12") })
        {
            session.Write("kernel", $$"""attrs { system = "riscv64-linux"; pname = "kernel"; } "kernel-for-{{builder}}" "sleep {{seconds}}; echo > $out" [ ]""");
            session.Run($"Get-NixBuilder {builder} | Invoke-NixDistributedBuild -Path kernel.nix").Succeeded();
        }
        session.Write("next", """attrs { system = "riscv64-linux"; pname = "kernel"; } "kernel-9" "echo > $out" [ ]""");

        var plan = session.Run("Get-NixBuilder garnet, opal | Invoke-NixDistributedBuild -Path next.nix -WhatIf").Script;

        Assert.Equal("opal", $"{Assert.Single(plan.Output).Properties["Builder"].Value}");
    }
}
