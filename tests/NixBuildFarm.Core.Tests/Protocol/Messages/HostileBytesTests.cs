using CsCheck;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Protocol.Messages;

/// <summary>Whatever bytes come: a message, or a <see cref="WireException"/>; and never much more memory than bytes.</summary>
public class HostileBytesTests
{
    private static readonly StorePath Path = StorePath.Parse("/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y-a");

    private static readonly Func<WireReader, CancellationToken, Task>[] Decoders =
    [
        async (reader, token) => await StderrFrame.ReadAsync(reader, token),
        async (reader, token) => await DaemonError.ReadAsync(reader, token),
        async (reader, token) => await DerivedPathLayout.ReadAsync(reader, token),
        async (reader, token) => await PathInfoLayout.ReadAsync(reader, Path, token),
        async (reader, token) => await BuildResultLayout.ReadAsync(reader, new(1, 32), token),
        async (reader, token) => await BuildResultLayout.ReadAsync(reader, new(1, 38), token),
        Reply(new QueryPathInfoRequest(Path)),
        Reply(new QueryValidPathsRequest([Path], false)),
        Reply(new QueryMissingRequest([])),
        Reply(new QueryDerivationOutputMapRequest(Path)),
        Reply(new BuildPathsWithResultsRequest([], BuildMode.Normal)),
    ];

    private static readonly ulong[] Numbers =
    [
        0x6f6c6d67, 0x616c7473, 0x63787470, 0x53545254, 0x53544f50, 0x52534c54, 101, 104, 105, 1UL << 24, 1UL << 40, ulong.MaxValue,
    ];

    private static readonly string[] Texts =
        ["", "Error", Path.ToString(), Path + "!*", "sha256:0!out", """{"outPath":"x"}""", new string('0', 64)];

    // Words that lead deep into the decoders, among words that do not.
    private static readonly Gen<byte[]> Word = Gen.Frequency(
        (4, Gen.Int[0, 4].Select(number => ProtocolBytes.Of(number))),
        (2, Gen.Int[0, Numbers.Length - 1].Select(i => ProtocolBytes.Of(Numbers[i]))),
        (2, Gen.Int[0, Texts.Length - 1].Select(i => ProtocolBytes.Of(Texts[i]))),
        (1, Gen.Byte.Array[0, 24]));

    [Fact]
    public Task Every_decoder_survives_any_bytes() =>
        Gen.Select(Word.Array[0, 30].Select(words => ProtocolBytes.Concat(words)), Gen.Int[0, Decoders.Length - 1]).SampleAsync(
            async (bytes, decoder) =>
            {
                var before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    // A memory stream completes at once, so all of it happens on this thread.
                    await Decoders[decoder](new WireReader(new MemoryStream(bytes)), TestContext.Current.CancellationToken);
                }
                catch (WireException)
                {
                    // The only way in which a decoder may refuse.
                }
                Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
            },
            iter: 20_000);

    private static Func<WireReader, CancellationToken, Task> Reply<T>(IRequest<T> request) =>
        async (reader, token) => await request.ReadReplyAsync(reader, ProtocolVersion.Newest, token);
}
