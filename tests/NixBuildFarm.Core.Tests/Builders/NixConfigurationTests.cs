using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Core.Tests.Builders;

public class NixConfigurationTests
{
    // The shape of `nix show-config --json` of Nix 2.8, and of `nix config show --json` since.
    private const string Sample = """
        {
          "builders": { "aliases": [], "defaultValue": "@/etc/nix/machines", "description": "…", "documentDefault": true, "value": "@/srv/farm" },
          "builders-use-substitutes": { "defaultValue": false, "value": true },
          "cores": { "aliases": ["build-cores"], "defaultValue": 2, "value": 4 },
          "experimental-features": { "defaultValue": [], "value": ["nix-command"] },
          "extra-platforms": { "value": ["aarch64-linux", "i686-linux", "x86_64-linux"] },
          "max-jobs": { "defaultValue": 1, "value": 8 },
          "require-sigs": { "value": false },
          "sandbox": { "value": true },
          "store": { "value": "daemon" },
          "substituters": { "value": ["https://cache.example.org/"] },
          "system": { "value": "x86_64-linux" },
          "system-features": { "value": ["benchmark", "kvm"] },
          "trusted-public-keys": { "value": ["farm-1:AAAA"] },
          "trusted-users": { "value": ["root", "@wheel"] }
        }
        """;

    [Fact]
    public void Settings_are_read_from_what_Nix_prints()
    {
        var settings = NixConfiguration.Parse(Sample, processors: 16);

        Assert.Equal("@/srv/farm", settings.Builders);
        Assert.Equal("x86_64-linux", settings.System);
        Assert.Equal(["aarch64-linux", "i686-linux", "x86_64-linux"], settings.ExtraPlatforms);
        Assert.Equal(8, settings.MaxJobs);
        Assert.Equal(4, settings.Cores);
        Assert.Equal(["benchmark", "kvm"], settings.SystemFeatures);
        Assert.True(settings.BuildersUseSubstitutes);
        Assert.Equal(["https://cache.example.org/"], settings.Substituters);
        Assert.Equal(["root", "@wheel"], settings.TrustedUsers);
        Assert.Equal(["farm-1:AAAA"], settings.TrustedPublicKeys);
        Assert.False(settings.RequireSignatures);
        Assert.Equal("daemon", settings.Store);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("3", 3)]
    [InlineData("\"auto\"", 16)]
    [InlineData("4294967295", int.MaxValue)]
    public void MaxJobs_is_a_number_or_as_many_as_there_are_processors(string value, int jobs) =>
        Assert.Equal(
            jobs,
            NixConfiguration.Parse($$"""{ "system": { "value": "x86_64-linux" }, "max-jobs": { "value": {{value}} } }""", 16).MaxJobs);

    [Fact]
    public void A_setting_that_a_version_of_Nix_lacks_has_Nixs_default()
    {
        var settings = NixConfiguration.Parse("""{"system":{"value":"riscv64-linux"},"extra-platforms":{"value":null}}""", 16);

        Assert.Equal(1, settings.MaxJobs);
        Assert.Empty(settings.ExtraPlatforms);
        Assert.True(settings.RequireSignatures);
        Assert.Equal("auto", settings.Store);
        Assert.Equal("", settings.Builders);
    }

    [Theory]
    [InlineData("auto")]
    [InlineData("daemon")]
    [InlineData("local")]
    [InlineData("unix:///run/user/1000/nixbuildfarm/default/socket")]
    [InlineData("auto?trusted=true")]
    public void The_store_of_this_machine_has_several_names(string store) =>
        new NixConfiguration { System = "a", Store = store }.RequireOwnStore();

    [Theory]
    [InlineData("ssh-ng://ruby")]
    [InlineData("/mnt/other")]
    [InlineData("local?root=/mnt/other")]
    [InlineData("unix:///run/socket?root=/mnt/other")]
    [InlineData("https://cache.example.org")]
    public void Another_store_is_refused_in_words_that_help(string store)
    {
        var error = Assert.Throws<NixBuildFarmException>(() => new NixConfiguration { System = "a", Store = store }.RequireOwnStore());

        Assert.Equal("OtherStore", error.Id);
        Assert.Contains($"“{store}”", error.Message);
        Assert.Contains("NIX_REMOTE", error.Recommendation);
    }

    [Theory]
    [InlineData("")]
    [InlineData("max-jobs = 1")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"system":"x86_64-linux"}""")]
    [InlineData("""{"system":{"value":7}}""")]
    [InlineData("""{"system":{"value":"x86_64-linux"},"max-jobs":{"value":-1}}""")]
    [InlineData("""{"system":{"value":"x86_64-linux"},"max-jobs":{"value":"many"}}""")]
    [InlineData("""{"system":{"value":"x86_64-linux"},"extra-platforms":{"value":"i686-linux"}}""")]
    public void Anything_else_is_an_error_that_says_so(string json) =>
        Assert.Equal("NixConfigurationNotUnderstood", Assert.Throws<NixBuildFarmException>(() => NixConfiguration.Parse(json, 16)).Id);

    [Fact]
    public async Task Nix_is_asked_with_the_name_that_all_versions_know()
    {
        var asked = new List<string>();

        var settings = await Read((arguments, _) => { asked.Add(string.Join(' ', arguments)); return Task.FromResult(Sample); });

        Assert.Equal(8, settings.MaxJobs);
        Assert.Equal(["--extra-experimental-features nix-command show-config --json"], asked);
    }

    [Fact]
    public async Task A_Nix_that_does_not_know_show_config_is_asked_with_config_show()
    {
        var asked = new List<string>();

        await Read((arguments, _) =>
        {
            asked.Add(string.Join(' ', arguments));
            return asked.Count > 1
                ? Task.FromResult(Sample)
                : throw new NixBuildFarmException("NixFailed", "nix: 'show-config' is not a recognised command\nTry 'nix --help'");
        });

        Assert.Equal("--extra-experimental-features nix-command config show --json", asked[1]);
    }

    [Fact]
    public async Task Nixs_warnings_about_its_configuration_are_shown()
    {
        var error = await Assert.ThrowsAsync<NixBuildFarmException>(
            () => Read((_, _) => throw new NixBuildFarmException("NixFailed", "nix: illegal configuration line 'blah'")));

        Assert.Contains("illegal configuration line 'blah'", error.Message);
    }

    [Fact]
    public async Task A_Nix_that_does_not_answer_is_given_up()
    {
        var time = new FakeTimeProvider();
        var reading = Read(Never, time);

        for (var second = 1; second <= 29; second++) time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(reading.IsCompleted);
        for (var second = 30; second <= 31; second++) time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("NixTimedOut", (await Assert.ThrowsAsync<NixBuildFarmException>(() => reading)).Id);
    }

    [Fact]
    public async Task Cancelling_ends_the_wait()
    {
        using var stop = new CancellationTokenSource();
        var reading = NixConfiguration.ReadAsync(Never, TimeProvider.System, stop.Token);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
    }

    private static Task<NixConfiguration> Read(
        Func<IReadOnlyList<string>, CancellationToken, Task<string>> nix, TimeProvider? time = null) =>
        NixConfiguration.ReadAsync(nix, time ?? TimeProvider.System, TestContext.Current.CancellationToken);

    private static async Task<string> Never(IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        await Task.Delay(Timeout.Infinite, cancellation);
        return "";
    }
}
