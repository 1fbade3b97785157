using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Sharing;

/// <summary>
/// One compile as a derivation: the same unit with the same tool has the same path, whoever asks, so that what a store has of an earlier
/// compile is found again. What runs, and what it may read, is laid down here, and not by what a shim asks for.
/// </summary>
internal sealed class CompileDerivation
{
    private const string Name = "nixbuildfarm-compile";
    private const string ManifestName = "nixbuildfarm-unit";
    private const int LongestSource = 100;

    private CompileDerivation(PlainDerivation derivation, StoreFile manifest, CompileUnit unit)
    {
        (Derivation, Manifest) = (derivation, manifest);
        Files = [.. unit.Files.Select(file => file.Path)];
        Headers = unit.Headers;
    }

    /// <summary>Whether a path is one that shared compiles leave in a store.</summary>
    public static bool Leaves(StorePath path) =>
        IsResult(path) || path.Name is ManifestName or UnitFile.PathName || ShimDerivations.Makes(path);

    /// <summary>Whether a path is the result of a compile.</summary>
    public static bool IsResult(StorePath path) => path.Name == Name || path.Name.StartsWith($"{Name}-", StringComparison.Ordinal);

    /// <summary>
    /// The name of the results of a source. So it is known before a source is read whether an earlier compile of it may be there.
    /// </summary>
    /// <param name="source">The file, as a shim calls it.</param>
    public static string NameOf(string source)
    {
        var file = source[(source.LastIndexOf('/') + 1)..];
        var safe = string.Concat(file.Where(letter => char.IsAsciiLetterOrDigit(letter) || "+-._?=".Contains(letter)).Take(LongestSource));
        return safe.Length == 0 ? Name : $"{Name}-{safe}";
    }

    /// <summary>What is built.</summary>
    public PlainDerivation Derivation { get; }

    /// <summary>What the derivation is told of the unit.</summary>
    public StoreFile Manifest { get; }

    /// <summary>Where each file of the unit is, in the order of the unit.</summary>
    public IReadOnlyList<StorePath> Files { get; }

    /// <summary>The store paths that headers are in.</summary>
    public IReadOnlyList<StorePath> Headers { get; }

    /// <summary>Makes the derivation of a unit.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="source">Its source, as the shim calls it: only a name.</param>
    /// <param name="tool">The compiler proper that was called.</param>
    /// <param name="toolchain">What compiles it.</param>
    /// <param name="closure">All that the build may read that asks for it.</param>
    /// <exception cref="OddFrameException">The unit asks for what its build may not read.</exception>
    public static CompileDerivation Of(
        CompileUnit unit, string source, CompilerTool tool, SharedToolchain toolchain, IReadOnlySet<StorePath> closure)
    {
        var foreign = unit.Headers.FirstOrDefault(header => !closure.Contains(header));
        if (foreign is not null) throw new OddFrameException($"{foreign} is no input of this build");
        var manifest = new StoreFile(ManifestName, WriteManifest(unit));
        var derivation = PlainDerivation.Of(
            NameOf(source),
            toolchain.System,
            toolchain.Shim.ToString(),
            ["run"],
            new Dictionary<string, string> { ["manifest"] = manifest.Path.ToString(), ["tool"] = toolchain.Folder.PathOf(tool) },
            [manifest.Path, .. unit.Files.Select(file => file.Path), .. toolchain.Inputs, .. unit.Headers]);
        return new(derivation, manifest, unit);
    }

    private static byte[] WriteManifest(CompileUnit unit)
    {
        var writer = new FieldWriter();
        return writer
            .Text(unit.Tool.Span)
            .Text(unit.Folder.Span)
            .Hash(unit.Digest)
            .UInt32(unit.IsOnTerminal ? 1u : 0u)
            .List(unit.Environment, text => writer.Text(text.Span))
            .List(unit.Arguments, text => writer.Text(text.Span))
            .UInt32((uint)unit.OutputArgument)
            .List(unit.Files, file => writer
                .Text(file.Name.Span)
                .Text(NixText.GetBytes(file.Path.ToString()))
                .UInt32(file.ModifiedAt is null ? 0u : 1u)
                .UInt64(file.ModifiedAt ?? 0))
            .ToArray();
    }
}
