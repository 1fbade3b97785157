using NixBuildFarm.Builders;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Serving;

/// <summary>Tells a client what is not done as it may expect, and why: each thing once.</summary>
/// <param name="client">To the client, which awaits the answer to a request.</param>
internal sealed class ClientNotes(Stream client)
{
    private const string Here = "so the daemon of this machine builds here, and not the farm";

    private readonly HashSet<string> said = [];

    /// <summary>Tells why builds go to the local daemon.</summary>
    public Task BuildsHereAsync(string why, CancellationToken cancellation) => SayAsync($"note: {why}, {Here}", why, cancellation);

    /// <summary>Tells that builders which the client names build nothing.</summary>
    public Task HasOwnBuildersAsync(CancellationToken cancellation) =>
        SayAsync("note: the setting 'builders' is not used, since the farm has builders of its own", "builders", cancellation);

    /// <summary>Tells of a failed build whose folder is gone, although the client wants to keep it.</summary>
    public async Task HasKeptNothingAsync(IEnumerable<NixBuildResult> results, CancellationToken cancellation)
    {
        var elsewhere = results.FirstOrDefault(
            result => result.Status.HasFailed() && result.Started is not null && result.Builder is { } builder
                && builder != NixBuilder.LocalName);
        if (elsewhere is null) return;
        await SayAsync(
            $"note: the build directory of '{elsewhere.DerivationPath}' is not kept, since it was built on '{elsewhere.Builder}': "
                + "--keep-failed holds for this machine",
            "keep-failed", cancellation);
    }

    /// <summary>Why paths are built by the local daemon; null: nothing of them is, or the farm builds them.</summary>
    /// <param name="mode">How they are to be built.</param>
    /// <param name="wanted">The paths as the client writes them, and as they are understood; null: they are not.</param>
    public static string? WhyHere(ulong mode, IEnumerable<(string Text, DerivedPath? Path)> wanted) => mode switch
    {
        (ulong)BuildMode.Check => "--check and --rebuild compare with what the store of this machine has",
        (ulong)BuildMode.Repair => "--repair replaces what the store of this machine has",
        _ => wanted.Where(one => one.Path is null)
            .Select(one => $"'{one.Text}' is of a kind that NixBuildFarm does not know")
            .FirstOrDefault(),
    };

    /// <summary>The same for a derivation that comes with the request.</summary>
    public static string WhyHere(ulong mode, StorePath derivation) =>
        WhyHere(mode, []) ?? $"where the outputs of '{derivation}' are to lie is known only after the build";

    private async Task SayAsync(string text, string topic, CancellationToken cancellation)
    {
        if (!said.Add(topic)) return;
        var writer = new WireWriter();
        StderrFrame.Write(writer, new DaemonLogLine(text));
        await client.WriteAsync(writer.Written, cancellation);
    }
}
