using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>A derivation whose inputs are plain paths.</summary>
internal static class BasicDerivationLayout
{
    public static async ValueTask<BasicDerivation> ReadAsync(WireReader reader, CancellationToken cancellation) => new()
    {
        Outputs = await ReadOutputsAsync(reader, cancellation),
        InputPaths = await reader.ReadStorePathsAsync(cancellation),
        System = await reader.ReadStringAsync(WireLimits.Name, cancellation),
        Builder = await reader.ReadStringAsync(WireLimits.Text, cancellation),
        Arguments = await reader.ReadStringsAsync(WireLimits.Text, cancellation),
        Environment = await ReadEnvironmentAsync(reader, cancellation),
    };

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

    private static async ValueTask<IReadOnlyDictionary<string,
    DerivationOutput>> ReadOutputsAsync(WireReader reader, CancellationToken cancellation)
    {
        var count = await reader.ReadCountAsync(cancellation);
        var outputs = new SortedDictionary<string, DerivationOutput>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            var name = await reader.ReadStringAsync(WireLimits.Name, cancellation);
            var path = await reader.ReadOptionalStorePathAsync(cancellation);
            var algorithm = await reader.ReadStringAsync(WireLimits.Name, cancellation);
            outputs[name] = new(path, algorithm, await reader.ReadStringAsync(WireLimits.Name, cancellation));
        }
        return outputs;
    }

    private static async ValueTask<IReadOnlyDictionary<string,
    string>> ReadEnvironmentAsync(WireReader reader, CancellationToken cancellation)
    {
        var count = await reader.ReadCountAsync(cancellation);
        var environment = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            var name = await reader.ReadStringAsync(WireLimits.Text, cancellation);
            environment[name] = await reader.ReadStringAsync(WireLimits.Text, cancellation);
        }
        return environment;
    }
}
