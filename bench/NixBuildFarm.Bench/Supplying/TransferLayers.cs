using System.Diagnostics;
using NixBuildFarm.Builders;
using NixBuildFarm.Protocol;
using NixBuildFarm.Ssh;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Nar;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Bench.Supplying;

/// <summary>What each part of a transfer costs by itself: time, and time of this process's own threads.</summary>
internal static class TransferLayers
{
    private const int Warmup = 2;

    /// <summary>Measures and prints.</summary>
    /// <param name="ruby">A builder.</param>
    /// <param name="path">A valid path of the local store.</param>
    /// <param name="file">A file of the same content.</param>
    public static async Task PrintAsync(NixBuilder ruby, string path, string file)
    {
        var size = new FileInfo(file).Length;
        var store = StorePath.Parse(path);
        Console.WriteLine($"\n#### Where the time goes, {size >> 20} MiB\n");
        Console.WriteLine("| | s per GiB | of that, this process on the processor |\n|---|---|---|");
        var nar = FileNar.Of(await File.ReadAllBytesAsync(file));
        await MeasureAsync(
            "NAR read and hashed, from memory",
            size,
            () => NarReader.CopyAsync(new MemoryStream(nar), Stream.Null, CancellationToken.None));
        await MeasureAsync("NAR out of the local daemon, not hashed", size, async () =>
        {
            await using var channel = await new LocalTransport().OpenAsync(ChannelUse.Bulk, CancellationToken.None);
            await using var daemon = await DaemonConnection.OpenAsync(channel.Stream, new() { Builder = "local" }, CancellationToken.None);
            await daemon.CopyNarsAsync([store], (_, copyTo) => copyTo(Stream.Null), CancellationToken.None);
        });
        var bytesTo = $"head -c {size} > /dev/null";
        await MeasureAsync("bytes to the builder, over SSH", size, () => WithProgramAsync(ruby, bytesTo, async stream =>
        {
            var piece = new byte[64 << 10];
            for (var left = size; left > 0; left -= piece.Length) await stream.WriteAsync(piece);
            // The end of its output says that the program has taken all of it.
            if (await stream.ReadAsync(piece) > 0) throw new InvalidOperationException("The program has printed something.");
        }));
        var bytesFrom = $"head -c {size} /dev/zero";
        await MeasureAsync("bytes from the builder, over SSH", size, () => WithProgramAsync(ruby, bytesFrom, async stream =>
        {
            var piece = new byte[64 << 10];
            for (var left = size; left > 0;) left -= await stream.ReadAsync(piece);
        }));
    }

    private static async Task WithProgramAsync(NixBuilder builder, string script, Func<Stream, Task> use)
    {
        await using var transport = new SshTransportFactory().Create(WithProgram(builder, script), new());
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, CancellationToken.None);
        await use(channel.Stream);
    }

    /// <summary>The same builder, on which something else runs in place of <c>nix-daemon</c>.</summary>
    private static NixBuilder WithProgram(NixBuilder builder, string script) => new()
    {
        Name = builder.Name,
        HostName = builder.HostName,
        Uri = builder.Uri,
        Scheme = builder.Scheme,
        Systems = builder.Systems,
        User = builder.User,
        HostKey = builder.HostKey,
        IdentityFile = builder.IdentityFile,
        RemoteProgram = ["sh", "-c", script, "sh"],
        Source = builder.Source,
    };

    private static async Task MeasureAsync(string name, long size, Func<Task> work)
    {
        for (var i = 0; i < Warmup; i++) await work();
        var (clock, processor) = (Stopwatch.StartNew(), Environment.CpuUsage.TotalTime);
        await work();
        var gigabytes = size / (double)(1 << 30);
        Console.WriteLine($"| {name} | {clock.Elapsed.TotalSeconds / gigabytes:0.00} | "
            + $"{(Environment.CpuUsage.TotalTime - processor).TotalSeconds / gigabytes:0.00} |");
    }
}
