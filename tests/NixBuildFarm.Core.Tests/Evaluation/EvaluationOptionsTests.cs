using NixBuildFarm.Builders;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Core.Tests.Evaluation;

/// <summary>For which system Nix evaluates what names none.</summary>
public sealed class EvaluationOptionsTests
{
    [Fact]
    public void It_is_this_machine_s_where_nothing_is_known_of_builders() => Assert.Empty(new EvaluationOptions().Words);

    [Fact]
    public void It_is_this_machine_s_where_a_builder_builds_for_that() =>
        Assert.Empty(new EvaluationOptions { Systems = ["riscv64-linux", OwnSystem.Name] }.Words);

    [Fact]
    public void It_is_that_of_the_builders_where_none_builds_for_this_machine_s() =>
        Assert.Equal(
            ["--option", "system", "mips-linux", "--option", "extra-extra-platforms", OwnSystem.Name],
            new EvaluationOptions { Systems = ["mips-linux", "m68k-linux"] }.Words);

    [Theory]
    [InlineData(".#packages.mips-linux.hello")]
    [InlineData("nixpkgs#legacyPackages.\"mips-linux\".hello^dev")]
    [InlineData(".#checks.mips-linux")]
    [InlineData("/nix/store/3r2mnwy1yza9kbxi0xvxzvgyhxfyl9nj-hello-2.12.drv^out")]
    public void An_installable_may_name_it(string installable)
    {
        Assert.True(EvaluationOptions.NamesSystemIn(installable));
        Assert.Empty(new EvaluationOptions { Systems = ["mips-linux"], NamesSystem = true }.Words);
    }

    [Theory]
    [InlineData("nixpkgs#hello")]
    [InlineData(".#pkgs-linux-6.hello")]
    [InlineData("/src/mips-linux#hello")]
    [InlineData("path:mips-linux")]
    [InlineData(".")]
    public void Most_do_not(string installable) => Assert.False(EvaluationOptions.NamesSystemIn(installable));

    [Fact]
    public void A_builder_that_takes_no_builds_does_not_count()
    {
        var full = Builder(OwnSystem.Name, jobs: 0);
        var drained = Builder(OwnSystem.Name, jobs: 1).WithPolicy(new() { Drain = true });

        Assert.Equal(["mips-linux"], EvaluationOptions.SystemsOf([full, drained, Builder("mips-linux", jobs: 1)]));
    }

    private static NixBuilder Builder(string system, int jobs) => new()
    {
        Name = "one", HostName = "one", Uri = "ssh-ng://one", Systems = [system], MaxJobs = jobs, Source = "test",
    };

    [Fact]
    public void It_is_what_the_user_says()
    {
        var settings = new Dictionary<string, string> { ["system"] = "m68k-linux" };

        Assert.Equal(["--option", "system", "m68k-linux"], new EvaluationOptions { Systems = ["mips-linux"], Settings = settings }.Words);
    }
}
