using BenchmarkDotNet.Attributes;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Bench.Parts;

/// <summary>The worker protocol without any daemon.</summary>
public class ProtocolBenchmarks
{
    internal const int Size = 64 << 20;
    internal const int Infos = 1000;

    private static readonly StorePath Path = StorePath.Parse($"{StorePath.StoreFolder}/00000000000000000000000000000000-hello");

    private readonly byte[] body = new byte[1 << 20];
    private byte[] replies = [];

    /// <summary>Writes what the daemon would have said.</summary>
    [GlobalSetup]
    public void Write()
    {
        var writer = new WireWriter();
        var info = new PathInfo
        {
            Path = Path,
            Deriver = Path,
            NarHash = Sha256Hash.ParseHex(new string('0', 64)),
            NarSize = 96,
            References = [.. Enumerable.Repeat(Path, 6)],
        };
        for (var i = 0; i < Infos; i++) PathInfoLayout.Write(writer, info);
        replies = writer.Written.ToArray();
    }

    /// <summary>In writes of a mebibyte.</summary>
    [Benchmark(Description = "put a body into frames")]
    public async Task SendAsync()
    {
        await using var frames = new FrameStream(Stream.Null);
        for (var sent = 0; sent < Size; sent += body.Length) await frames.WriteAsync(body);
        await frames.EndAsync(CancellationToken.None);
        await frames.SendAsync(CancellationToken.None);
    }

    /// <summary>With six references each.</summary>
    [Benchmark(Description = "read what is known of a path", OperationsPerInvoke = Infos)]
    public async Task ReadAsync()
    {
        var reader = new WireReader(new MemoryStream(replies));
        for (var i = 0; i < Infos; i++) await PathInfoLayout.ReadAsync(reader, Path, CancellationToken.None);
    }
}
