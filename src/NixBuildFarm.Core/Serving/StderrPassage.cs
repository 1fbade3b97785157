using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using static NixBuildFarm.Serving.Layouts;

namespace NixBuildFarm.Serving;

/// <summary>Passes on what a daemon says between a request and its reply.</summary>
internal static class StderrPassage
{
    // The text nix-archive-1, whose length a NAR begins with.
    private const ulong NarMarkLength = 13;

    private static readonly Layout Fields = Many(static async (passage, cancellation) =>
    {
        if (await passage.NumberAsync(cancellation) == StderrFrame.NumberField) await passage.NumberAsync(cancellation);
        else await passage.TextAsync(cancellation);
    });

    private static readonly Layout Error = Sequence(OneText, Number, OneText, OneText, Number, Many(Number, OneText));

    private static readonly Dictionary<ulong, Layout> Frames = new()
    {
        [StderrFrame.NextTag] = OneText,
        [StderrFrame.StartActivityTag] = Sequence(Number, Number, Number, OneText, Fields, Number),
        [StderrFrame.StopActivityTag] = Number,
        [StderrFrame.ResultTag] = Sequence(Number, Number, Fields),
    };

    /// <summary>Passes on all of it, and the reply.</summary>
    /// <returns>Whether the request was carried out; else the daemon gave an error in place of the reply.</returns>
    public static async Task<bool> PassAsync(Passage passage, Layout reply, CancellationToken cancellation)
    {
        while (await passage.NumberAsync(cancellation) is var tag && tag != StderrFrame.LastTag)
        {
            if (tag == StderrFrame.ErrorTag)
            {
                await Error(passage, cancellation);
                await passage.FlushAsync(cancellation);
                return false;
            }
            if (!Frames.TryGetValue(tag, out var frame)) throw new WireException($"0x{tag:x} is no message of a daemon.");
            await frame(passage, cancellation);
        }
        await reply(passage, cancellation);
        await passage.FlushAsync(cancellation);
        return true;
    }

    /// <summary>A NAR, or an error in its place: a daemon finds out late that a path is not there. It then ends the connection.</summary>
    public static async ValueTask NarAsync(Passage passage, CancellationToken cancellation)
    {
        if (await passage.PeekAsync(cancellation) == NarMarkLength)
        {
            await passage.NarAsync(cancellation);
        }
        else
        {
            await passage.NumberAsync(cancellation);
            await Error(passage, cancellation);
        }
    }
}
