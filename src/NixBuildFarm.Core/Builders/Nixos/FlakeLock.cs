using System.Text.Json;
using NixBuildFarm.Errors;
using NixBuildFarm.Store;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>
/// Looks into a <c>flake.lock</c> for nixpkgs, so that a module of a flake is read with the flake's own, if that has been fetched.
/// </summary>
internal static class FlakeLock
{
    /// <summary>
    /// The store path of the flake's input <c>nixpkgs</c>; null where it has none or the store has it not. Nothing is fetched.
    /// </summary>
    public static string? NixpkgsInStore(string flakeFolder)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(flakeFolder, "flake.lock")));
            var nodes = document.RootElement.GetProperty("nodes");
            var path = PathOf(LockedInput(nodes, document.RootElement.GetProperty("root").GetString()!, "nixpkgs"));
            return Directory.Exists(path) ? path : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException
            or InvalidOperationException or FormatException or NixBuildFarmException)
        {
            // Without a readable lock file, the module is evaluated without nixpkgs.
            return null;
        }
    }

    /// <summary>The store path of a fetched flake: a source of this NAR hash.</summary>
    internal static string PathOf(string narHash) => StorePath.Of("source", Sha256Hash.Parse(narHash), "source").ToString();

    private static string LockedInput(JsonElement nodes, string node, string input)
    {
        var found = nodes.GetProperty(node).GetProperty("inputs").GetProperty(input);
        // An input that follows another one is a path from the root.
        return found.ValueKind == JsonValueKind.String
            ? nodes.GetProperty(found.GetString()!).GetProperty("locked").GetProperty("narHash").GetString()!
            : throw new FormatException("The input follows another one.");
    }
}
