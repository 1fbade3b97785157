using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Supplying;

/// <summary>What is built goes into binary caches and to machines while the run goes on.</summary>
public sealed class PushTests(TestFarm farm) : IAsyncLifetime
{
    private readonly BuildSession session = new();
    private string cache = null!, key = null!, publicKey = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        (cache, key) = (Path.Combine(session.Folder, "cache"), Path.Combine(session.Folder, "key"));
        await farm.Coordinator.ExecAsync("nix-store", "--generate-binary-cache-key", "cache-1", key, $"{key}.pub");
        publicKey = (await File.ReadAllTextAsync($"{key}.pub", Cancellation)).Trim();
        session.Write("pushed", """
            let bottom = package "bottom" "echo $name > $out" [ ];
            in package "top" "echo top refers to $inputs > $out" [ bottom ]
            """);
    }

    public ValueTask DisposeAsync()
    {
        session.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    [EveryNix("Pushes to binary caches (`-PushTo`)")]
    public async Task Another_host_substitutes_what_was_pushed_into_a_folder_and_is_signed()
    {
        using var server = new BinaryCacheServer(cache);

        var store = $"file://{cache}?secret-key={key}";

        var build = session.Run($"Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path pushed.nix -PushTo '{store}'").Succeeded();

        Assert.All(build.Results, result => Assert.Equal([$"{store}: Pushed"], result.Pushes));
        Assert.Equal("top refers to", await SubstituteAsync(build["top"].Output, server));
    }

    [Fact]
    public async Task A_cache_that_takes_uploads_gets_only_what_was_asked_for_with_the_key_of_this_machine_and_although_it_stays_elsewhere()
    {
        using var server = new BinaryCacheServer(cache);
        await using var signing = await NixSetting.AddAsync(farm, $"secret-key-files = {key}");

        var build = session.Run(
            $"Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path pushed.nix -PushTo {server.Uri} -Push Requested -CopyBack None")
            .Succeeded();

        Assert.Equal((0, 1), (build["bottom"].Pushes.Count, build["top"].Pushes.Count));
        Assert.Equal("top refers to", await SubstituteAsync(build["top"].Output, server));
    }

    [Fact]
    public void A_builder_that_may_pushes_itself_and_nothing_comes_here_for_it()
    {
        using var server = new BinaryCacheServer(cache);
        session.Run("Set-NixBuilderPolicy ruby -PushItself");

        var build = session.Run(
            $"Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path pushed.nix -PushTo {server.Uri} -CopyBack None").Succeeded();

        Assert.All(build.Results, result => Assert.EndsWith(": Pushed", Assert.Single(result.Pushes)));
        Assert.False(Path.Exists(build["top"].Output));
        Assert.Equal(2, Directory.GetFiles(cache, "*.narinfo").Length);
    }

    [Fact]
    public void What_cannot_be_pushed_is_told_of_and_stays_built()
    {
        var build = session.Run(
            "Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path pushed.nix -PushTo file:///proc/nowhere -Push Requested").Succeeded();

        Assert.Equal("file:///proc/nowhere: Failed", Assert.Single(build["top"].Pushes));
        Assert.Contains("top was built, and is not in file:///proc/nowhere:", build.Warnings);
    }

    [Fact]
    public async Task A_machine_gets_what_is_built_elsewhere_while_the_build_goes_on()
    {
        session.Write("deployed", """
            let early = package "early" "echo $name > $out" [ ];
            in package "late" (held + "cat $inputs > $out") [ early ]
            """);
        var run = session.Start("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path deployed.nix -CopyTo kana -CopyBack None");
        await farm.Kana.ExecAsync("bash", "-c", "until ls -d /nix/store/*-early; do sleep 0.1; done");

        await session.ReleaseAsync(farm.Ruby);
        var build = new BuildOutput(run.Wait()).Succeeded();

        await farm.Kana.ExecAsync("nix-store", "--verify-path", build["early"].Output, build["late"].Output);
        Assert.All(build.Results, result => Assert.Equal(["kana: Pushed"], result.Pushes));
    }

    /// <summary>The first words of an output that kana has fetched from the cache.</summary>
    private async Task<string> SubstituteAsync(string path, BinaryCacheServer server)
    {
        await farm.Kana.ExecAsync(
            "nix-store", "--realise", path, "--option", "substituters", server.Uri, "--option", "trusted-public-keys", publicKey);
        return string.Join(' ', (await farm.Kana.ExecAsync("cat", path)).Split(' ').Take(3));
    }
}
