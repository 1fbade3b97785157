using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Serving;

/// <summary>What a client sends with SetOptions.</summary>
/// <param name="ByPosition">The settings with a place of their own, in the order of the protocol.</param>
/// <param name="Named">Those that have a name.</param>
internal sealed record SettingsMessage(IReadOnlyList<ulong> ByPosition, IReadOnlyDictionary<string, string> Named)
{
    private const string Builders = "builders";

    /// <summary>What the local daemon is told for a client that gives no settings.</summary>
    public static readonly DaemonOptions OfSilentClient = new() { Overrides = new Dictionary<string, string> { [Builders] = "" } };

    /// <summary>What holds for the client's builds.</summary>
    public ClientSettings Settings => ClientSettings.From(ByPosition, Named);

    /// <summary>Whether it names builders, in whose place the farm has its own.</summary>
    public bool NamesBuilders => !string.IsNullOrWhiteSpace(Named.GetValueOrDefault(Builders));

    /// <summary>Reads it; the number of the operation has been read.</summary>
    public static async ValueTask<SettingsMessage> ReadAsync(WireReader reader, CancellationToken cancellation)
    {
        var byPosition = new ulong[Operation.SettingsByPosition];
        for (var i = 0; i < byPosition.Length; i++) byPosition[i] = await reader.ReadUInt64Async(cancellation);
        var count = await reader.ReadCountAsync(cancellation);
        var named = new Dictionary<string, string>();
        for (var i = 0; i < count; i++)
        {
            var name = await reader.ReadStringAsync(WireLimits.Name, cancellation);
            named[name] = await reader.ReadStringAsync(WireLimits.Text, cancellation);
        }
        return new(byPosition, named);
    }

    /// <summary>
    /// The same as the local daemon is told. It has no builders: whatever it builds itself, it would else hand to those of its own
    /// configuration, which nobody chose.
    /// </summary>
    public WireWriter ForLocalDaemon()
    {
        var request = new WireWriter();
        request.WriteUInt64(Operation.SetOptions);
        foreach (var value in ByPosition) request.WriteUInt64(value);
        request.WriteStringMap(new Dictionary<string, string>(Named) { [Builders] = "" });
        return request;
    }
}
