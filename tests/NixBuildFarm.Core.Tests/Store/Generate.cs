using CsCheck;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Store;

/// <summary>Random values of the store's types.</summary>
internal static class Generate
{
    /// <summary>Bytes of which many are what a parser must watch for.</summary>
    public static Gen<byte[]> Bytes { get; } =
        Gen.Frequency(
            (3, Gen.Char.AlphaNumeric.Select(c => (byte)c)),
            (2, Gen.OneOf([.. "\"\\\n\r\t()[], "u8.ToArray().Select(Gen.Const)])),
            (1, Gen.Byte))
            .Array[0, 12];

    public static Gen<string> Text { get; } = Bytes.Select(bytes => NixText.GetString(bytes));

    public static Gen<StorePath> StorePath { get; } = StorePaths("");

    public static Gen<DerivationOutput> Output { get; } = Gen.OneOf(
        StorePath.Select(path => new DerivationOutput(path, "", "")),
        StorePath.Select(path => new DerivationOutput(path, "r:sha256", "00ff")),
        Gen.Const(new DerivationOutput(null, "r:sha256", "")),
        Gen.Const(new DerivationOutput(null, "", "")),
        Gen.Const(new DerivationOutput(null, "r:sha256", "impure")));

    public static Gen<Derivation> Derivation { get; } = Gen.Select(
        Gen.Dictionary(Text.Where(name => name.Length > 0), Output)[1, 3],
        Gen.Dictionary(StorePaths(".drv"), Text.HashSet[0, 3].Select(names => (IReadOnlyList<string>)[.. names]))[0, 3],
        StorePath.HashSet[0, 3],
        Gen.Select(Text, Text),
        Text.Array[0, 3],
        Gen.Dictionary(Text, Text)[0, 5],
        (outputs, inputs, sources, systemAndBuilder, arguments, environment) => new Derivation
        {
            Outputs = outputs,
            InputDerivations = inputs,
            InputSources = [.. sources],
            System = systemAndBuilder.Item1,
            Builder = systemAndBuilder.Item2,
            Arguments = arguments,
            Environment = environment,
        });

    private static Gen<StorePath> StorePaths(string suffix) => Gen.Select(
        Characters("0123456789abcdfghijklmnpqrsvwxyz", 32, 32),
        Characters("abyz019+-._?=", 1, 8),
        (hash, name) => NixBuildFarm.Store.StorePath.Parse($"/nix/store/{hash}-x{name}{suffix}"));

    private static Gen<string> Characters(string alphabet, int least, int most) =>
        Gen.Int[0, alphabet.Length - 1].Array[least, most].Select(indices => string.Concat(indices.Select(index => alphabet[index])));
}
