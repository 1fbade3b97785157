using System.Text;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Store;
using NixBuildFarm.Text;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>Has a builder put paths of its store into another store, by <see cref="PushScript"/>.</summary>
internal static class PushChannel
{
    private const int LongestAnswer = 256 * 1024;

    /// <summary>How long Nix may say nothing of what it does: a large path is compressed before it is sent.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    /// <summary>Does it. Nix there ends when this does, however that is.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="transport">Reaches it.</param>
    /// <param name="store">The URI of the store.</param>
    /// <param name="paths">Valid paths of the builder.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="NixBuildFarmException">The store has not got all of them.</exception>
    public static async Task PushAsync(
        NixBuilder builder, IBuilderTransport transport, string store, IEnumerable<StorePath> paths, TimeProvider time,
        CancellationToken cancellation)
    {
        using var silence = new SilenceWatch(Patience, time, cancellation);
        string text;
        try
        {
            text = StoreUri.WithoutSecretsOf(store, await AskAsync(transport, store, paths, silence));
        }
        catch (OperationCanceledException) when (silence.HasRunOut && !cancellation.IsCancellationRequested)
        {
            throw Failed($"“nix copy” there has said nothing for {Patience.TotalMinutes} minutes");
        }
        var end = text.LastIndexOf('\n' + PushScript.EndMark, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Failed(text.Length == 0 ? "its login does not run a shell for us" : $"it said no more than {NixCommand.MessageOf(text)}");
        }
        if (text[(end + 1 + PushScript.EndMark.Length)..] != "0") throw Failed(NixCommand.MessageOf(text[..end]));

        NixBuildFarmException Failed(string why) => new("PushFailed", $"{builder.Name}: {why}");
    }

    private static async Task<string> AskAsync(
        IBuilderTransport transport, string store, IEnumerable<StorePath> paths, SilenceWatch silence)
    {
        await using var channel = await transport.OpenAsync(ChannelUse.Push, silence.Token);
        await channel.Stream.WriteAsync(Encoding.UTF8.GetBytes($"{store}\n{string.Join('\n', paths)}\n\n"), silence.Token);
        await channel.Stream.FlushAsync(silence.Token);
        var answer = await ShellAnswer.ReadToEndAsync(channel.Stream, LongestAnswer, silence.Resume, silence.Token);
        return TerminalText.Strip(answer).TrimEnd();
    }
}
