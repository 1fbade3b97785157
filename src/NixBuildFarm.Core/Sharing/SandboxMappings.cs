using System.Buffers;
using NixBuildFarm.Store;

namespace NixBuildFarm.Sharing;

/// <summary>
/// What a shared build sees besides its inputs, as Nix's <c>extra-sandbox-paths</c>. This is the only place that makes such mappings.
/// A file is never mapped: Nix opens the place of a file for writing before it mounts, and so empties the real one in the builder's store.
/// A folder is mounted below a store path only where the shadow derivation has verified both folders on a builder.
/// </summary>
internal static class SandboxMappings
{
    /// <summary>The setting.</summary>
    public const string Setting = "extra-sandbox-paths";

    private const string Original = "/.nixbuildfarm/original";
    private const string Broker = "/.nixbuildfarm/broker";
    private const int LongestFolder = 200;

    // A mapping is split at blanks and at the first '=', and a '?' at its end says that it need not exist.
    private static readonly SearchValues<char> Plain = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-._");

    /// <summary>The mappings of one build.</summary>
    /// <param name="folder">The verified folder of the compiler.</param>
    /// <param name="broker">The folder of the broker's socket on the builder.</param>
    /// <exception cref="OddFrameException">The broker's folder is none that may be mapped.</exception>
    public static string Of(CompilerFolder folder, string broker)
    {
        if (!IsFolderOfBroker(broker)) throw new OddFrameException($"“{NixText.Printable(broker)}” is no folder of a broker");
        return $"{folder.Path}={folder.Shadow} {Original}={folder.Path} {Broker}={broker}";
    }

    /// <summary>Whether a name can stand in a mapping.</summary>
    internal static bool IsPlain(string name) => name.AsSpan().IndexOfAnyExcept(Plain) < 0;

    /// <summary>The folder is mounted at a place that no input has, so a false one harms nothing but the build; it may be no part of a store all the same.</summary>
    private static bool IsFolderOfBroker(string path) =>
        path.Length <= LongestFolder
        && path.Split('/') is ["", .. var names] && names.Length >= 2
        && names.All(name => name is not ("" or "." or "..") && IsPlain(name))
        && (names[0] is "run" or "tmp" || names is ["var", "tmp", _, ..]);
}
