using System.Buffers;

namespace NixBuildFarm.Store;

/// <summary>
/// Nix's own base 32: digits and lower-case letters without e, o, u, t, the last bits first.
/// </summary>
public static class NixBase32
{
    private const string Digits = "0123456789abcdfghijklmnpqrsvwxyz";

    internal static readonly SearchValues<char> Alphabet = SearchValues.Create(Digits);
}
