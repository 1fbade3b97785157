using NixBuildFarm.EngineHost;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Faults;

/// <summary>
/// A session whose runs meet faults: what they may leave behind, and how to meet them at a certain moment. Errors end a script in it, as
/// they do in CI systems, so that what a run recovers from must not be one.
/// </summary>
public sealed class FaultyRun : IAsyncDisposable
{
    private readonly TestFarm farm;

    public FaultyRun(TestFarm farm)
    {
        this.farm = farm;
        Session.Run("$ErrorActionPreference = 'Stop'");
    }

    /// <summary>
    /// Nix's words for what <see cref="AddOpalAsync"/>'s builder alone can build. What has it as an input is placed when opal is connected,
    /// however long that takes on a busy machine.
    /// </summary>
    public const string OnOpal = """(attrs { requiredSystemFeatures = [ "opal" ]; } "on-opal" "echo > $out" [ ])""";

    public BuildSession Session { get; } = new();

    /// <summary>Adds a builder that is so much faster than the others that it gets the build.</summary>
    public Task<AddedHost> AddOpalAsync(params IEnumerable<string> options) =>
        farm.AddAsync("opal", ["--speed", "50", "--features", "opal", "--conf", "system-features = opal", .. options]);

    /// <summary>
    /// Starts a script, makes trouble once it is so far, and waits for the end. A script that ends before it is so far fails the test.
    /// </summary>
    public async Task<BuildOutput> RunAsync(string script, Func<Task> soFar, Func<Task> trouble)
    {
        using var running = Session.Start(script);
        var moment = soFar();
        var first = await Task.WhenAny(moment, running.Ended);
        if (first != moment) Assert.Fail($"The script ended before it was so far.\n{End(running).Errors}");
        await moment;
        await trouble();
        return End(running);
    }

    /// <summary>Waits for the end of a script.</summary>
    public static BuildOutput End(RunningScript running) => new(running.Wait(Until.Limit));

    /// <summary>Waits until a host's store holds so many megabytes more than are in it now.</summary>
    public static async Task<Func<Task>> UntilGrownAsync(FarmHost host, int megabytes)
    {
        const string Used = "df --output=used --block-size=1M /nix | tail -n 1";
        var before = int.Parse(await host.ExecAsync("bash", "-c", Used));
        return () =>
            host.ExecAsync(
                "bash",
                "-c",
                $"for ((i = 0; i < 18000; i++)); do [ \"$({Used})\" -lt {before + megabytes} ] || exit 0; sleep 0.05; done; exit 1");
    }

    /// <summary>Waits until a build runs on a host that is held there.</summary>
    public Func<Task> UntilBuilding(FarmHost host) => UntilBuilding(host, Session.Mark);

    /// <summary>Waits until a build with a marker among its arguments runs on a host.</summary>
    public static Func<Task> UntilBuilding(FarmHost host, string marker) =>
        () =>
            host.ExecAsync(
                "bash",
                "-c",
                $"for ((i = 0; i < 6000; i++)); do ! grep -slz '^{marker}$' /proc/[0-9]*/cmdline > /dev/null || exit 0; sleep 0.1; done; "
                    + "exit 1");

    /// <summary>Sends a signal to the daemons of all connections to a host.</summary>
    public static Task<string> SignalDaemonsAsync(FarmHost host, string signal) =>
        host.ExecAsync(
            "bash", "-c", $"grep -slzx -e '[-]-stdio' /proc/[0-9]*/cmdline | cut -d / -f 3 | xargs --no-run-if-empty kill -{signal}");

    /// <summary>Soon neither a build with a marker among its arguments nor a daemon of a connection runs on a host.</summary>
    public static async Task NothingRunsAsync(string marker, FarmHost host)
    {
        await Until.TrueAsync(
            async () => await host.ExecAsync("bash", "-c", $"grep -slz '^{marker}$' /proc/[0-9]*/cmdline || true") == "",
            $"no build is left on {host}");
        await Until.TrueAsync(
            async () => await host.ExecAsync("bash", "-c", "grep -slzx -e --stdio /proc/[0-9]*/cmdline || true") == "",
            $"no daemon of a connection is left on {host}");
    }

    /// <summary>Waits until no build runs on a host that was held there.</summary>
    public Task NoBuildIsLeftAsync(FarmHost host) => Until.TrueAsync(
        async () => await host.ExecAsync("bash", "-c", $"grep -slz '^{Session.Mark}$' /proc/[0-9]*/cmdline || true") == "",
        $"no build is left on {host}");

    /// <summary>Neither a connection to a builder nor a build that was held is left, and the next run succeeds.</summary>
    public async Task NothingIsLeftAsync(params FarmHost[] hosts)
    {
        await Until.TrueAsync(
            async () =>
                await farm.Coordinator.ExecAsync("bash", "-c", "ss --no-header --tcp --numeric state established '( dport = :22 )'") == "",
            "no connection is left");
        foreach (var host in hosts) await NoBuildIsLeftAsync(host);
        Session.Write("next", """package "next" "cat $inputs > $out" (many 3 (i: package "part${toString i}" "echo $name > $out" [ ]))""");
        Session.Run($"Get-NixBuilder {string.Join(", ", hosts.Select(host => host.Name))} | Invoke-NixDistributedBuild -Path next.nix")
            .Succeeded();
    }

    /// <summary>
    /// The same after a run that came to its end by itself: its idle connections may wait for the next one until the module goes.
    /// </summary>
    public Task NothingButIdleConnectionsIsLeftAsync(params FarmHost[] hosts)
    {
        Session.LogOut();
        return NothingIsLeftAsync(hosts);
    }

    /// <summary>Collects what the test has left in the stores: they are in memory, and some of it is large.</summary>
    public async ValueTask DisposeAsync()
    {
        Session.Dispose();
        foreach (var host in farm.Builders.Append(farm.Coordinator)) await host.ExecAsync("nix-store", "--gc");
    }
}
