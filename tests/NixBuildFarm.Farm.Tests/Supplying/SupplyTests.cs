using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Supplying;

/// <summary>How inputs reach the machines that build, and how outputs come home.</summary>
public sealed class SupplyTests(TestFarm farm) : IAsyncLifetime
{
    private readonly BuildSession session = new();
    private AddedHost opal = null!, garnet = null!;

    public async ValueTask InitializeAsync()
    {
        opal = await farm.AddAsync("opal", "--features", "opal", "--conf", "system-features = opal", "--slots", "4");
        garnet = await farm.AddAsync("garnet", "--features", "garnet", "--conf", "system-features = garnet", "--slots", "4");
    }

    public async ValueTask DisposeAsync()
    {
        session.Dispose();
        await opal.DisposeAsync();
        await garnet.DisposeAsync();
    }

    [Fact]
    public async Task A_collector_that_runs_during_a_build_takes_none_of_its_inputs()
    {
        session.Write("collected", """
            rec {
              bottom = package "bottom" "echo bottom > $out" [ ];
              top = package "top" "touch /tmp/building; while [ ! -e /tmp/collected ]; do sleep 0.1; done; cat $inputs > $out" [ bottom ];
            }
            """);
        var input = session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path collected.nix -Attribute bottom")
            .Succeeded()["bottom"].Output;
        var garbage = (await opal.ExecAsync("bash", "-c", "echo garbage > /tmp/garbage && nix-store --add /tmp/garbage")).Trim();

        var build = session.Start("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path collected.nix -Attribute top");
        await opal.ExecAsync("bash", "-c", "while [ ! -e /tmp/building ]; do sleep 0.05; done");
        var collected = await opal.ExecAsync("bash", "-c", "nix-store --gc 2>&1");
        await opal.ExecAsync("touch", "/tmp/collected");
        var top = new BuildOutput(build.Wait()).Succeeded()["top"];

        // The collector did its work: it is the input that was protected.
        Assert.Contains(garbage, collected);
        Assert.DoesNotContain(input, collected);
        Assert.Equal("bottom\n", await File.ReadAllTextAsync(top.Output, TestContext.Current.CancellationToken));
    }

    [Fact]
    [EveryNix("Builds on several builders at once")]
    public async Task An_output_goes_from_builder_to_builder_with_all_that_it_refers_to_and_never_touches_the_local_store()
    {
        session.Write("relay", """
            let on = machine: attrs { requiredSystemFeatures = [ machine ]; };
                bottom = on "opal" "bottom" "echo bottom > $out" [ ];
                middle = on "opal" "middle" "echo refers to $inputs > $out" [ bottom ];
            in on "garnet" "top" "cat $(cut -d ' ' -f 3 $inputs) > $out; echo $inputs >> $out" [ middle ]
            """);

        var build = session.Run("Get-NixBuilder opal, garnet | Invoke-NixDistributedBuild -Path relay.nix -CopyBack None").Succeeded();

        Assert.Equal(("opal", "opal", "garnet"), (build["bottom"].Builder, build["middle"].Builder, build["top"].Builder));
        Assert.All(build.Results, result => Assert.False(Path.Exists(result.Output), result.Output));
        Assert.Equal($"bottom\n{build["middle"].Output}\n", await garnet.ExecAsync("cat", build["top"].Output));
        await garnet.ExecAsync("nix-store", "--verify", "--check-contents");
        Assert.Equal(
            3,
            (await garnet.ExecAsync("nix-store", "--query", "--requisites", build["top"].Output))
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Length);
    }

    [Fact]
    public void An_input_of_many_builds_on_several_builders_goes_to_each_builder_once()
    {
        const int size = 5_000_000;
        session.Write("shared", $$"""
            let shared = attrs { requiredSystemFeatures = [ "opal" ]; } "shared" "head -c {{size}} /dev/urandom > $out" [ ];
                user = i: package "user${toString i}" "sleep 0.5; wc -c < $inputs > $out" [ shared ];
            in package "top" "cat $inputs > $out" (many 16 user)
            """);

        var build = session.Run("Get-NixBuilder opal, garnet, ruby, kana | Invoke-NixDistributedBuild -Path shared.nix").Succeeded();

        var users = build.Results.Where(result => result.Name.StartsWith("user", StringComparison.Ordinal))
            .ToLookup(result => result.Builder!);
        Assert.True(users.Count >= 3, string.Join(' ', users.Select(group => group.Key)));
        Assert.All(users, group => Assert.InRange(group.Sum(result => result.Supplied), 0, group.Key == "opal" ? 1000 : size + 100_000));
        Assert.Equal(0, build["top"].Supplied / size);
    }

    [Theory]
    [InlineData("All", true, true)]
    [InlineData("Requested", true, false)]
    [InlineData("None", false, false)]
    public async Task Requested_outputs_are_copied_back_when_the_cmdlet_returns(string copyBack, bool isTopHome, bool areOthersHome)
    {
        session.Write("home", """
            let big = i: package "big${toString i}" "head -c 8000000 /dev/urandom > $out" [ ];
            in package "top" "echo > $out" (many 8 big)
            """);

        var build = session.Run($"Get-NixBuilder opal, garnet | Invoke-NixDistributedBuild -Path home.nix -CopyBack {copyBack}")
            .Succeeded();

        Assert.Equal(isTopHome, Path.Exists(build["top"].Output));
        Assert.All(build.Results.Where(result => !result.IsRequested), result => Assert.Equal(areOthersHome, Path.Exists(result.Output)));
        foreach (var home in build.Results.Where(result => Path.Exists(result.Output)))
        {
            await farm.Coordinator.ExecAsync("nix-store", "--check-validity", home.Output);
            await farm.Coordinator.ExecAsync("nix-store", "--verify-path", home.Output);
        }
    }

    [Fact]
    public async Task A_gigabyte_comes_home_in_little_memory()
    {
        session.Write("large", """package "large" "head -c 1073741824 /dev/zero > $out" [ ]""");
        using var shell = farm.StartPowerShell("root", $$"""
            $result = Get-NixBuilder opal | Invoke-NixDistributedBuild -Path {{session.Folder}}/large.nix
            $result.Outputs['out']
            [IO.File]::ReadAllLines('/proc/self/status') -like 'VmHWM:*'
            """);

        var ended = await shell.WaitAsync(TestContext.Current.CancellationToken);

        Assert.True(ended.Succeeded && ended.Error.Length == 0, ended.ToString());
        var lines = ended.Output.Split('\n');
        var output = Assert.Single(lines, line => line.StartsWith("/nix/store/", StringComparison.Ordinal));
        var peak = Assert.Single(lines, line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        var kilobytes = long.Parse(peak.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1]);
        Assert.Equal(1 << 30, new FileInfo(output).Length);
        Assert.InRange(kilobytes, 0, 200_000);
        await farm.Coordinator.ExecAsync("nix-store", "--delete", output);
    }
}
