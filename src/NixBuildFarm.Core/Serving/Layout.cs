using NixBuildFarm.Protocol;

namespace NixBuildFarm.Serving;

/// <summary>How a part of a message is laid out: passes it on.</summary>
internal delegate ValueTask Layout(Passage passage, CancellationToken cancellation);

/// <summary>The layouts that messages are made of.</summary>
internal static class Layouts
{
    /// <summary>No bytes at all.</summary>
    public static readonly Layout Nothing = static (_, _) => ValueTask.CompletedTask;

    /// <summary>A number.</summary>
    public static readonly Layout Number = static async (passage, cancellation) => await passage.NumberAsync(cancellation);

    /// <summary>A number in whose place 0 is passed on, whatever comes: the client may not ask for this.</summary>
    public static readonly Layout Denied = static async (passage, cancellation) => await passage.ReplaceAsync(static _ => 0, cancellation);

    /// <summary>A text.</summary>
    public static readonly Layout OneText = static (passage, cancellation) => passage.TextAsync(cancellation);

    /// <summary>Count and texts.</summary>
    public static readonly Layout Texts = Many(OneText);

    /// <summary>Count and pairs of texts.</summary>
    public static readonly Layout Map = Many(OneText, OneText);

    /// <summary>A body in frames.</summary>
    public static readonly Layout Frames = static (passage, cancellation) => passage.FramesAsync(cancellation);

    /// <summary>
    /// What is registered of a path, without the path: deriver, hash, references, time, size, whether it was built there, signatures,
    /// content address.
    /// </summary>
    public static readonly Layout PathInfo = PathInfoWith(ultimate: Number);

    /// <summary>The same, and nobody takes it for built there.</summary>
    public static readonly Layout PathInfoFromElsewhere = PathInfoWith(ultimate: Denied);

    /// <summary>What became of a build.</summary>
    public static readonly Layout BuildResult =
        Sequence(
            Number,
            OneText,
            Number,
            Number,
            Number,
            Number,
            Since(ProtocolVersion.WithProcessorTimes, Sequence(Optional(Number), Optional(Number))),
            Realised(byPath: Many(OneText, OneText, Texts), byHash: Map));

    /// <summary>A derivation whose inputs are plain paths.</summary>
    public static readonly Layout BasicDerivation = Sequence(Many(OneText, OneText, OneText, OneText), Texts, OneText, OneText, Texts, Map);

    /// <summary>One after the other.</summary>
    public static Layout Sequence(params Layout[] parts) => async (passage, cancellation) =>
    {
        foreach (var part in parts) await part(passage, cancellation);
    };

    /// <summary>A count, and the parts so many times.</summary>
    public static Layout Many(params Layout[] parts)
    {
        var item = Sequence(parts);
        return async (passage, cancellation) =>
        {
            for (var left = await passage.NumberAsync(cancellation); left > 0; left--) await item(passage, cancellation);
        };
    }

    /// <summary>A number, and the rest unless it is 0.</summary>
    public static Layout Optional(Layout rest) => async (passage, cancellation) =>
    {
        if (await passage.NumberAsync(cancellation) != 0) await rest(passage, cancellation);
    };

    /// <summary>A count and so many items, to which some are added that are written already.</summary>
    /// <param name="item">An item.</param>
    /// <param name="count">How many are added.</param>
    /// <param name="added">Those.</param>
    public static Layout Extended(Layout item, ulong count, ReadOnlyMemory<byte> added) => async (passage, cancellation) =>
    {
        var known = await passage.ReplaceAsync(number => number + count, cancellation);
        for (var left = known; left > 0; left--) await item(passage, cancellation);
        await passage.WriteAsync(added, cancellation);
    };

    /// <summary>Something about realisations, which one feature of the protocol lays out in its own way.</summary>
    /// <param name="byPath">How, where both sides have that feature.</param>
    /// <param name="byHash">How, where they have not.</param>
    public static Layout Realised(Layout byPath, Layout byHash) => (passage, cancellation) =>
        passage.Version.HasRealisationsByPath ? byPath(passage, cancellation) : byHash(passage, cancellation);

    private static Layout PathInfoWith(Layout ultimate) => Sequence(OneText, OneText, Texts, Number, Number, ultimate, Texts, OneText);

    private static Layout Since(ProtocolVersion first, Layout rest) =>
        (passage, cancellation) => passage.Version >= first ? rest(passage, cancellation) : ValueTask.CompletedTask;
}
