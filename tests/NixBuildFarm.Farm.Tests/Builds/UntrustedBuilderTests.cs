using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>
/// A builder on which we are nobody special: it builds what it is given as a whole derivation, takes inputs that prove themselves, and
/// refuses others, after which somebody else builds.
/// </summary>
public sealed class UntrustedBuilderTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    [EveryNix("Builders that do not trust the login")]
    public async Task It_builds_derivations_with_sources_and_what_it_has_built_itself()
    {
        session.Write("deep", """
            package "top" "cat $inputs > $out" [ (package "middle" "cat $inputs > $out" [ (attrs { text = builtins.toFile "text" "of a file"; } "bottom" "cat $text > $out" [ ]) ]) ]
            """);
        await using var strict = await farm.AddAsync("opal", "--user", "guest");

        var build = session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path deep.nix").Succeeded();

        Assert.Equal(["opal"], build.BuildersUsed);
        Assert.Equal(3, build.Results.Count);
        Assert.Equal("of a file", await File.ReadAllTextAsync(build["top"].Output));
    }

    [Fact]
    [EveryNix("Builders that do not trust the login")]
    public async Task An_input_that_is_not_signed_is_refused_and_what_needs_it_is_built_elsewhere()
    {
        session.Write("two", """package "top" "cat $inputs > $out" [ (attrs { requiredSystemFeatures = [ "kana" ]; } "bottom" "echo bottom > $out" [ ]) ]""");
        await using var strict = await farm.AddAsync("opal", "--user", "guest", "--speed", "100");
        await using var able = await farm.AddAsync("jade", "--features", "kana", "--conf", "system-features = kana");

        var build = session.Run("Get-NixBuilder opal, jade | Invoke-NixDistributedBuild -Path two.nix");

        Assert.Equal(("jade", "jade"), (build["bottom"].Builder, build["top"].Builder));
        Assert.All(build["top"].Attempts, attempt => Assert.Contains("neither content-addressed nor signed", attempt));
    }

    [Fact]
    public async Task Without_another_builder_the_error_says_the_reason_and_what_to_do()
    {
        session.Write(
            "two", """rec { bottom = package "bottom" "echo bottom > $out" [ ]; top = package "top" "cat $inputs > $out" [ bottom ]; }""");
        session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path two.nix -Attribute bottom").Succeeded();
        await using var strict = await farm.AddAsync("opal", "--user", "guest");

        var build = session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path two.nix -Attribute top");

        Assert.Equal("Failed", build["top"].Status);
        Assert.Contains("does not trust the login", build["top"].Error);
        Assert.Contains("-bottom", build["top"].Error);
        Assert.Contains("opal", build.Errors);
    }

    [Fact]
    public async Task An_input_signed_with_a_key_that_it_trusts_is_taken()
    {
        session.Write(
            "two", """rec { bottom = package "bottom" "echo bottom > $out" [ ]; top = package "top" "cat $inputs > $out" [ bottom ]; }""");
        var bottom = session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path two.nix -Attribute bottom").Succeeded();
        await farm.Coordinator.ExecAsync("nix-store", "--generate-binary-cache-key", "home-1", "/root/home-key", "/root/home-key.pub");
        var key = (await farm.Coordinator.ExecAsync("cat", "/root/home-key.pub")).Trim();
        await farm.Coordinator.ExecAsync("nix", "store", "sign", "--key-file", "/root/home-key", bottom["bottom"].Output);
        await using var strict = await farm.AddAsync("opal", "--user", "guest", "--conf", $"trusted-public-keys = {key}");

        var build = session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path two.nix -Attribute top").Succeeded();

        Assert.Equal("opal", build["top"].Builder);
    }
}
