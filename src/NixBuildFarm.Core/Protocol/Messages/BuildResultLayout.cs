using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Text;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>The result of a build.</summary>
internal static class BuildResultLayout
{
    public static async ValueTask<BuildResult> ReadAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation)
    {
        var result = await ReadFieldsAsync(reader, version, cancellation);
        return result with { BuiltOutputs = await ReadOutputsAsync(reader, version, cancellation) };
    }

    /// <summary>Writes a result that has no outputs: a failure.</summary>
    public static void Write(WireWriter writer, BuildResult result, ProtocolVersion version)
    {
        writer.WriteUInt64((ulong)result.Status);
        writer.WriteString(result.ErrorMessage);
        writer.WriteInt64(result.TimesBuilt);
        writer.WriteBool(result.IsNonDeterministic);
        writer.WriteInt64(result.StartTime?.ToUnixTimeSeconds() ?? 0);
        writer.WriteInt64(result.StopTime?.ToUnixTimeSeconds() ?? 0);
        if (version >= ProtocolVersion.WithProcessorTimes)
        {
            writer.WriteUInt64(0); // No processor time of its own code,
            writer.WriteUInt64(0); // and none in the kernel.
        }
        writer.WriteUInt64(0); // No outputs.
    }

    private static async ValueTask<BuildResult> ReadFieldsAsync(
        WireReader reader, ProtocolVersion version, CancellationToken cancellation) => new()
    {
        Status = (BuildStatus)await reader.ReadInt32Async(cancellation),
        ErrorMessage = TerminalText.Strip(await reader.ReadBeginningAsync(cancellation)).Trim(),
        TimesBuilt = await reader.ReadInt32Async(cancellation),
        IsNonDeterministic = await reader.ReadBoolAsync(cancellation),
        StartTime = await ReadTimeAsync(reader, cancellation),
        StopTime = await ReadTimeAsync(reader, cancellation),
        CpuUser = version >= ProtocolVersion.WithProcessorTimes ? await ReadProcessorTimeAsync(reader, cancellation) : null,
        CpuSystem = version >= ProtocolVersion.WithProcessorTimes ? await ReadProcessorTimeAsync(reader, cancellation) : null,
    };

    private static async ValueTask<DateTimeOffset?> ReadTimeAsync(WireReader reader, CancellationToken cancellation) =>
        await reader.ReadUInt64Async(cancellation) is > 0 and var seconds ? UnixTime.FromSeconds(seconds) : null;

    private static async ValueTask<TimeSpan?> ReadProcessorTimeAsync(WireReader reader, CancellationToken cancellation) =>
        await reader.ReadUInt64Async(cancellation) switch
        {
            0 => null,
            1 => Microseconds(await reader.ReadInt64Async(cancellation)),
            var tag => throw new WireException($"The tag {tag} says neither that a time follows nor that none does."),
        };

    // The sum of two is to be a time, too.
    private static TimeSpan Microseconds(long count) =>
        count is >= 0 and <= long.MaxValue / 2 / TimeSpan.TicksPerMicrosecond
            ? new(count * TimeSpan.TicksPerMicrosecond)
            : throw new WireException($"{count} µs is no processor time.");

    /// <summary>
    /// A map to realisations from <c>sha256:HASH!OUTPUT</c>, where Nix 2.35 and later sends zeros for the hash, or from the output's name
    /// alone. The caller knows the derivation.
    /// </summary>
    private static async ValueTask<IReadOnlyDictionary<string, StorePath>> ReadOutputsAsync(
        WireReader reader, ProtocolVersion version, CancellationToken cancellation)
    {
        var count = await reader.ReadCountAsync(cancellation);
        var outputs = new Dictionary<string, StorePath>();
        for (var i = 0; i < count; i++)
        {
            var id = await reader.ReadStringAsync(WireLimits.Name, cancellation);
            var name = version.HasRealisationsByPath ? id : Realisation.OutputIn(id);
            outputs[name] = await RealisationLayout.ReadPathAsync(reader, version, cancellation);
        }
        return outputs;
    }
}
