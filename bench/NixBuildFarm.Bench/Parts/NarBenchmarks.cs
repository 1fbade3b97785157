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
    public async Task MakeAsync()
    {
        var file = Path.GetTempFileName();
        try
        {
            var content = new byte[Size];
            new Random(1).NextBytes(content);
            await File.WriteAllBytesAsync(file, content);
            using var written = new MemoryStream();
            await NarWriter.WriteAsync(file, written, CancellationToken.None);
            nar = written.ToArray();
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Structure checked.</summary>
    [Benchmark(Description = "pass a NAR on")]
    public Task PassAsync() => NarReader.PassAsync(new MemoryStream(nar), Stream.Null, CancellationToken.None);

    /// <summary>Structure checked, and hashed.</summary>
    [Benchmark(Description = "pass a NAR on, with its hash")]
    public Task<NarDigest> CopyAsync() => NarReader.CopyAsync(new MemoryStream(nar), Stream.Null, CancellationToken.None);
}
