using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Text;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>An error as the daemon sends it (protocol 1.26 and later).</summary>
internal sealed record DaemonError(Verbosity Level, string Text, IReadOnlyList<string> Traces)
{
    /// <summary>Reads the rest, after the tag.</summary>
    public static async ValueTask<DaemonError> ReadAsync(WireReader reader, CancellationToken cancellation)
    {
        var type = await reader.ReadStringAsync(WireLimits.Name, cancellation);
        if (type != "Error") throw new WireException($"“{Printable.Replaced(type)}” is no kind of error.");
        var level = (Verbosity)await reader.ReadInt32Async(cancellation);
        await reader.ReadStringAsync(WireLimits.Name, cancellation); // The name of the error's class: no daemon sets it any more.
        var text = await reader.ReadBeginningAsync(cancellation);
        await ReadNoPositionAsync(reader, cancellation);
        var count = await reader.ReadCountAsync(cancellation);
        var traces = new List<string>();
        for (var i = 0; i < count; i++)
        {
            await ReadNoPositionAsync(reader, cancellation);
            var trace = await reader.ReadBeginningAsync(cancellation);
            if (i < WireLimits.Traces) traces.Add(trace);
        }
        return new(level, text, traces);
    }

    /// <summary>No daemon sends the position in a Nix expression, and its form is not known.</summary>
    private static async ValueTask ReadNoPositionAsync(WireReader reader, CancellationToken cancellation)
    {
        if (await reader.ReadBoolAsync(cancellation)) throw new WireException("An error with a position is not understood.");
    }
}
