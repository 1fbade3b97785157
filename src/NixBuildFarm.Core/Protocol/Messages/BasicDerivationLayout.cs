using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>A derivation whose inputs are plain paths.</summary>
internal static class BasicDerivationLayout
{
    public static void Write(WireWriter writer, BasicDerivation derivation)
    {
        writer.WriteInt64(derivation.Outputs.Count);
        foreach (var (name, output) in derivation.Outputs)
        {
            writer.WriteString(name);
            writer.WriteStorePath(output.Path);
            writer.WriteString(output.HashAlgorithm);
            writer.WriteString(output.Hash);
        }
        writer.WriteStorePaths(derivation.InputPaths);
        writer.WriteString(derivation.System);
        writer.WriteString(derivation.Builder);
        writer.WriteStrings(derivation.Arguments);
        writer.WriteStringMap(derivation.Environment);
    }
}
