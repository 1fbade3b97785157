using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Text;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>A derived path as text (protocol 1.30 and later).</summary>
internal static class DerivedPathLayout
{
    public static void Write(WireWriter writer, IReadOnlyCollection<DerivedPath> paths) =>
        writer.WriteStrings([.. paths.Select(path => path.ToString())]);

    public static async ValueTask<DerivedPath> ReadAsync(WireReader reader, CancellationToken cancellation)
    {
        var text = await reader.ReadStringAsync(WireLimits.Text, cancellation);
        return DerivedPath.TryParse(text, out var path)
            ? path
            : throw new WireException($"“{Printable.Replaced(text)}” is neither a store path nor outputs of a derivation.");
    }
}
