using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary>A build that a fake daemon was asked for, as a scripted build sees it.</summary>
internal sealed class FakeBuild(FakeStore store, StorePath path, BasicDerivation? derivation, Stream output, CancellationToken cancelled)
{
    private const ulong Activity = 77, Next = 0x6f6c6d67;

    public FakeStore Store => store;

    public StorePath Path => path;

    /// <summary>The derivation as it was sent; null where it was to be in the store.</summary>
    public BasicDerivation? Derivation => derivation;

    /// <summary>Is cancelled when the client closes the connection.</summary>
    public CancellationToken Cancelled => cancelled;

    public Task LogAsync(string line) => ResultAsync(101, line);

    public Task EnterPhaseAsync(string phase) => ResultAsync(104, phase);

    /// <summary>Has the daemon say something of the build that is not of its log.</summary>
    public async Task SayAsync(string message)
    {
        var writer = new WireWriter();
        writer.WriteUInt64(Next);
        writer.WriteString(message + '\n');
        await output.WriteAsync(writer.Written, cancelled);
    }

    /// <summary>Makes the outputs valid, each a file with its own name in it.</summary>
    public BuildResult Succeed()
    {
        var realised = new Dictionary<string, StorePath>();
        foreach (
            var (name, known) in derivation?.Outputs.Select(o => KeyValuePair.Create(o.Key, o.Value.Path))
                ?? store.Outputs.GetValueOrDefault(path) ?? new Dictionary<string,
            StorePath?>())
        {
            var pathName = path.Name[..^".drv".Length] + (name == "out" ? "" : $"-{name}");
            var contents = System.Text.Encoding.UTF8.GetBytes(known?.ToString() ?? pathName);
            var (info, nar) = known is null ? FakeStore.ContentAddressed(pathName, contents) : FakeStore.FileOf("output", contents);
            if (known is null) realised[name] = info.Path;
            store.Add(info with { Path = known ?? info.Path, Deriver = path, Ultimate = true }, nar);
        }
        return new BuildResult { Status = BuildStatus.Built, TimesBuilt = 1, BuiltOutputs = realised };
    }

    private async Task ResultAsync(ulong type, string text)
    {
        var writer = new WireWriter();
        writer.WriteUInt64(0x52534c54);
        writer.WriteUInt64(Activity);
        writer.WriteUInt64(type);
        writer.WriteUInt64(1);
        writer.WriteUInt64(1);
        writer.WriteString(text);
        await output.WriteAsync(writer.Written, cancelled);
    }
}
