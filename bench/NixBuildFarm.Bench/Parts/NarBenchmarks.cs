using BenchmarkDotNet.Attributes;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Bench.Parts;

/// <summary>A NAR of one large file passing through memory.</summary>
public class NarBenchmarks
{
    internal const int Size = 64 << 20;

    private byte[] nar = [];

    /// <summary>Makes the NAR.</summary>
    [GlobalSetup]
    public void Make()
    {
        var content = new byte[Size];
        new Random(1).NextBytes(content);
        nar = FileNar.Of(content);
    }

    /// <summary>Structure checked.</summary>
    [Benchmark(Description = "pass a NAR on")]
    public Task PassAsync() => NarReader.PassAsync(new MemoryStream(nar), Stream.Null, CancellationToken.None);

    /// <summary>Structure checked, and hashed.</summary>
    [Benchmark(Description = "pass a NAR on, with its hash")]
    public Task CopyAsync() => NarReader.CopyAsync(new MemoryStream(nar), Stream.Null, CancellationToken.None);
}
