using System.Globalization;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.History;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Supplying;

/// <summary>What goes over the wire to a builder, counted at its network port, and when.</summary>
public sealed class WireTests(TestFarm farm) : IAsyncLifetime
{
    private const int Size = 8_000_000;
    private readonly BuildSession session = new();
    private AddedHost agate = null!;

    public async ValueTask InitializeAsync() => agate = await farm.AddAsync(
        "agate", "--features", "agate", "--slots", "1",
        "--conf", "system-features = agate", "--conf", "substituters = file:///tmp/cache", "--conf", "require-sigs = false");

    public async ValueTask DisposeAsync()
    {
        session.Dispose();
        await agate.DisposeAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_path_that_the_builders_substituter_has_is_not_sent_where_that_is_allowed(bool useSubstitutes)
    {
        await using var setting = await NixSetting.AddAsync(farm, $"builders-use-substitutes = {(useSubstitutes ? "true" : "false")}");
        WriteUse("agate", "head -c $size /dev/urandom > $out");
        var input = session.Run("Get-NixBuilder agate | Invoke-NixDistributedBuild -Path use.nix -Attribute input")
            .Succeeded()["input"].Output;
        await agate.ExecAsync("nix", "copy", "--to", "file:///tmp/cache?compression=none", input);
        // Connections that have just been closed may hold it a moment longer.
        await agate.ExecAsync("bash", "-c", "until nix-store --delete \"$1\" 2> /dev/null; do sleep 0.1; done", "-", input);

        var (use, sent) = await CountAsync(
            () => session.Run("Get-NixBuilder agate | Invoke-NixDistributedBuild -Path use.nix -Attribute use").Succeeded()["use"]);

        Assert.Equal($"{Size}\n", await File.ReadAllTextAsync(use.Output, TestContext.Current.CancellationToken));
        Assert.Equal(useSubstitutes ? 0 : 1, use.Supplied / Size);
        Assert.Equal(useSubstitutes ? 0 : 1, sent / Size);
    }

    [Theory]
    [InlineData("", false, false)]
    [InlineData("?compress=true", false, true)]
    [InlineData("", true, true)]
    public async Task Inputs_are_compressed_on_request_and_over_a_link_that_was_measured_to_be_slow(
        string parameters, bool isSlow, bool isCompressed)
    {
        var line = (await agate.MachineLineAsync()).Replace("@agate ", $"@agate{parameters} ", StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(session.Folder, "machines"), line, TestContext.Current.CancellationToken);
        WriteUse("", "head -c $size /dev/zero > $out");
        session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path use.nix -Attribute input").Succeeded();
        if (isSlow)
        {
            HistoryFile.Change(
                session.HistoryFile,
                "INSERT INTO transfer (builder, to_builder, bytes, seconds, ended) VALUES ('agate', 1, 10000000, 10, 0)");
        }

        var (use, sent) = await CountAsync(
            () =>
                session.Run("Get-NixBuilder -Path machines | Invoke-NixDistributedBuild -Path use.nix -Attribute use -NoLocal")
                    .Succeeded()["use"]);

        Assert.Equal(("agate", 1), (use.Builder, use.Supplied / Size));
        Assert.Equal(isCompressed ? 0 : 1, sent / Size);
    }

    [Fact]
    public void The_inputs_of_the_next_build_are_sent_while_one_runs()
    {
        // The first one ends when what only the second one needs has begun to arrive: without that it would wait in vain.
        session.Write("ahead", $$"""
            rec {
              on = attrs { requiredSystemFeatures = [ "agate" ]; };
              input = package "input" "head -c {{Size}} /dev/urandom > $out" [ ];
              first = on "first" ''
                for i in $(seq 600); do
                  for path in /nix/store/*${builtins.unsafeDiscardStringContext (baseNameOf input)}*; do
                    [ ! -e "$path" ] || { echo > $out; exit 0; }
                  done
                  sleep 0.1
                done
                exit 1'' [ ];
              after = on "after" "echo > $out" [ first ];
              second = on "second" "wc -c < $inputs > $out" [ input ];
              top = on "top" "cat $inputs > $out" [ after second ];
            }
            """);
        session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path ahead.nix -Attribute input").Succeeded();

        var build = session.Run("Get-NixBuilder agate | Invoke-NixDistributedBuild -Path ahead.nix -Attribute top").Succeeded();

        Assert.True(build["first"].Started < build["second"].Started);
        Assert.All(build.Results, result => Assert.Equal("agate", result.Builder));
    }

    [Fact]
    public async Task A_deep_closure_is_asked_for_at_once_where_the_login_may_run_nix_store()
    {
        await agate.ExecAsync("bash", "-c", """
            printf '#!/bin/sh\necho "$@" >> /tmp/asked\nexec %s "$@"\n' "$(command -v nix-store)" > /usr/local/sbin/nix-store
            chmod +x /usr/local/sbin/nix-store
            """);
        session.Write("deep", """builtins.foldl' (below: i: package "deep${toString i}" "echo $inputs > $out" [ below ]) (package "deep0" "echo > $out" [ ]) (builtins.genList (i: i + 1) 19)""");
        var top = session.Run("Get-NixBuilder agate | Invoke-NixDistributedBuild -Path deep.nix -CopyBack None")
            .Succeeded()["deep19"].Output;

        var copies = session.Run($"Copy-NixStorePath {top} -From agate -NoCheckSignature");

        Assert.Equal("", copies.Errors);
        Assert.Equal(20, copies.Script.Output.Count(output => output.Properties["NarSize"] is not null));
        Assert.Equal("--serve\n", await agate.ExecAsync("cat", "/tmp/asked"));
        await farm.Coordinator.ExecAsync("nix-store", "--verify-path", top);
    }

    /// <summary>An input of some size, and a build on agate that needs it.</summary>
    private void WriteUse(string feature, string script) => session.Write("use", $$"""
        rec {
          input = attrs { size = {{Size}}; requiredSystemFeatures = [ {{(feature.Length > 0 ? $"\"{feature}\"" : "")}} ]; } "input" "{{script}}" [ ];
          use = attrs { requiredSystemFeatures = [ "agate" ]; } "use" "wc -c < $inputs > $out" [ input ];
        }
        """);

    private async Task<(T Result, long Sent)> CountAsync<T>(Func<T> work)
    {
        var before = await SentAsync();
        var result = work();
        return (result, await SentAsync() - before);
    }

    /// <summary>Bytes that the builder has been sent by anybody.</summary>
    private async Task<long> SentAsync()
    {
        var text = await agate.ExecAsync("cat", "/sys/class/net/eth0/statistics/rx_bytes");
        return long.Parse(text, CultureInfo.InvariantCulture);
    }
}
