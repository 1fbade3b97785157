using System.Diagnostics;
using System.Globalization;
using NixBuildFarm.Builders;
using NixBuildFarm.Protocol;
using NixBuildFarm.Ssh;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Bench.Farm;

/// <summary>
/// What a channel to a builder's Nix costs where the ssh program carries it: a login and a <c>nix-daemon</c> for each, a <c>nix-daemon</c>
/// for each over one login, or the socket of the daemon. In turn, so that the load of the machine is the same for all.
/// </summary>
internal static class ChannelBench
{
    private const int HeldOpen = 8; // with the anchor, below sshd's MaxSessions

    private static readonly string Host = FarmSetting.Builders[0];

    public static async Task PrintAsync(int rounds)
    {
        await File.WriteAllTextAsync(FarmSetting.SshConfig, $"Host {Host}\n  ProxyJump {FarmSetting.Builders[1]}\n");
        try
        {
            Way[] ways =
            [
                new("a login and a nix-daemon for each", ChannelUse.Bulk, leavesSocket: true),
                new("one login, a nix-daemon for each", ChannelUse.Build, leavesSocket: true),
                new("one login, the daemon's socket", ChannelUse.Build, leavesSocket: false),
            ];
            // The first channel of a transport resolves ssh_config, and logs in.
            foreach (var way in ways) await way.GreetAsync();
            for (var round = 0; round < rounds; round++)
            {
                foreach (var way in ways) way.Times.Add(await way.GreetAsync());
            }
            Console.WriteLine($"| a channel, greeted | ms, median (least to most) | ratio | processes of {HeldOpen} on the builder |");
            Console.WriteLine("|---|---|---|---|");
            foreach (var way in ways)
            {
                double[] sorted = [.. way.Times.Order()];
                var ratio = way.Median / ways[0].Median;
                var processes = await way.CountProcessesAsync();
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {way.Name} | {way.Median:f1} ({sorted[0]:f1} to {sorted[^1]:f1}) | {ratio:f2} | {processes} |"));
            }
            foreach (var way in ways) await way.DisposeAsync();
        }
        finally
        {
            File.Delete(FarmSetting.SshConfig);
        }
    }

    private sealed class Way : IAsyncDisposable
    {
        private readonly IBuilderTransport transport;
        private readonly ChannelUse use;
        private readonly bool leavesSocket;

        public Way(string name, ChannelUse use, bool leavesSocket)
        {
            Name = name;
            this.use = use;
            this.leavesSocket = leavesSocket;
            var builder = new NixBuilder
            {
                Name = Host,
                HostName = Host,
                User = "root",
                Uri = $"ssh-ng://root@{Host}",
                Systems = ["x86_64-linux"],
                Source = "a benchmark",
            };
            transport = new SshTransportFactory().Create(builder, new TransportOptions());
        }

        public string Name { get; }

        public List<double> Times { get; } = [];

        public double Median => Times.Order().ElementAt(Times.Count / 2);

        /// <summary>Opens a channel, greets the daemon, and closes it.</summary>
        /// <returns>Milliseconds until the greeting is answered.</returns>
        public async Task<double> GreetAsync()
        {
            var watch = Stopwatch.StartNew();
            await using var channel = await OpenAsync();
            return watch.Elapsed.TotalMilliseconds;
        }

        /// <summary>How many processes more there are on the builder with some channels than without.</summary>
        public async Task<int> CountProcessesAsync()
        {
            await GreetAsync();
            var before = await ProcessesAsync();
            var held = new List<IAsyncDisposable>();
            for (var i = 0; i < HeldOpen; i++) held.Add(await OpenAsync());
            var after = await ProcessesAsync();
            foreach (var one in held) await one.DisposeAsync();
            return after - before;
        }

        public ValueTask DisposeAsync() => transport.DisposeAsync();

        private async Task<IAsyncDisposable> OpenAsync()
        {
            var channel = await transport.OpenAsync(use, CancellationToken.None);
            if (leavesSocket && channel.IsDaemonSocket)
            {
                transport.LeaveDaemonSocket("a benchmark wants a program");
                await channel.DisposeAsync();
                channel = await transport.OpenAsync(use, CancellationToken.None);
            }
            await DaemonConnection.OpenAsync(channel.Stream, new DaemonConnectionOptions { Builder = Host }, CancellationToken.None);
            return channel;
        }

        private static async Task<int> ProcessesAsync()
        {
            var (_, output) = await FarmSetting.RunAsync("farm", ["exec", Host, "sh", "-c", "ls -d /proc/[0-9]* | wc -l"]);
            return int.Parse(output, CultureInfo.InvariantCulture);
        }
    }
}
