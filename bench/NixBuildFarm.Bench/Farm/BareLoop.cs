using System.Collections.Concurrent;
using System.Diagnostics;
using NixBuildFarm.Builders;
using NixBuildFarm.Protocol;
using NixBuildFarm.Ssh;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Bench.Farm;

/// <summary>
/// What is possible at all: BuildDerivation over warm connections, one for each slot, nothing decided, nothing noted, nothing copied home,
/// evaluation and connecting not counted. For derivations that do nothing: with others it would be the bound.
/// </summary>
internal sealed class BareLoop() : Contender("bare loop")
{
    public override bool Takes(FarmCase chosen) => chosen.Bound == 0 && chosen.LossAt is null;

    public override async Task<FarmRun> RunAsync(FarmCase chosen, string expression)
    {
        var (_, output) = await FarmSetting.RunAsync("nix-instantiate", [expression]);
        var isChain = chosen.Work.Any(work => work.Inputs.Length > 0);
        var paths = output.Split('\n').Where(line => line.EndsWith(".drv", StringComparison.Ordinal)).Select(StorePath.Parse).ToArray();
        var derivations = paths.ToDictionary(path => path, path => Derivation.Parse(File.ReadAllBytes(path.ToString())));
        var queue = new ConcurrentQueue<StorePath>(paths);
        // A chain stays where its first link was built.
        var slots = isChain
            ? FarmSetting.Builders.Take(1)
            : FarmSetting.Builders.SelectMany(builder => Enumerable.Repeat(builder, FarmSetting.Slots));
        var open = new List<(IBuilderTransport Transport, IBuilderChannel Channel, DaemonConnection Daemon)>();
        foreach (var builder in slots)
        {
            var transport = new SshTransportFactory().Create(Builder(builder, chosen), new TransportOptions());
            var channel = await transport.OpenAsync(ChannelUse.Build, CancellationToken.None);
            open.Add(
                (
                    transport,
                    channel,
                    await DaemonConnection.OpenAsync(
                        channel.Stream, new DaemonConnectionOptions { Builder = builder }, CancellationToken.None)));
            await open[^1].Daemon.SetOptionsAsync(new DaemonOptions { BuildCores = 1 }, CancellationToken.None);
        }
        var succeeded = true;
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(open.Select(one => Task.Run(async () =>
        {
            while (queue.TryDequeue(out var path))
            {
                var derivation = derivations[path];
                var inputs = derivation.InputDerivations.Keys.Select(input => derivations[input].Outputs["out"].Path!);
                var result = await one.Daemon.BuildDerivationAsync(
                    path, BasicDerivation.From(derivation, inputs), BuildMode.Normal, sink: null, CancellationToken.None);
                succeeded &= result.IsSuccess;
            }
        })));
        var seconds = watch.Elapsed.TotalSeconds;
        foreach (var (transport, channel, daemon) in open)
        {
            await daemon.DisposeAsync();
            await channel.DisposeAsync();
            await transport.DisposeAsync();
        }
        return new FarmRun { Succeeded = succeeded, Seconds = seconds };
    }

    private static NixBuilder Builder(string name, FarmCase chosen) => new()
    {
        Name = name,
        HostName = FarmSetting.HostName(name, chosen),
        Uri = $"ssh-ng://root@{name}",
        User = "root",
        Systems = ["x86_64-linux"],
        Source = "the benchmark",
    };
}
