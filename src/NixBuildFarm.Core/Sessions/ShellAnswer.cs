using System.Buffers;
using System.Text;
using NixBuildFarm.Errors;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>The answer of a builder to a script that ends by itself.</summary>
internal static class ShellAnswer
{
    private const int UsualLongest = 128 * 1024, UsualAnswer = 4 * 1024;

    /// <summary>Reads it; null where the builder does not answer, e.g. since its login may run only Nix.</summary>
    /// <param name="transport">Reaches the builder.</param>
    /// <param name="use">The script.</param>
    /// <param name="calledOff">Gives up.</param>
    /// <param name="longest">How much of it is read, in bytes.</param>
    public static async Task<string?> ReadAsync(
        IBuilderTransport transport, ChannelUse use, CancellationToken calledOff, int longest = UsualLongest)
    {
        try
        {
            await using var channel = await transport.OpenAsync(use, calledOff);
            return await ReadToEndAsync(channel.Stream, longest, heard: null, calledOff);
        }
        catch (Exception e) when (e is BuilderException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            return null;
        }
    }

    /// <summary>Reads a text to its end, or as much of it as is wanted. Memory is taken as it comes: most answers are short.</summary>
    /// <param name="stream">Where it comes from.</param>
    /// <param name="longest">How much of it is read, in bytes.</param>
    /// <param name="heard">Called when some of it has come; null: nobody minds.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<string> ReadToEndAsync(Stream stream, int longest, Action? heard, CancellationToken cancellation)
    {
        var answer = new ArrayBufferWriter<byte>(UsualAnswer);
        while (answer.WrittenCount < longest)
        {
            var room = answer.GetMemory();
            var count = await stream.ReadAsync(room[..Math.Min(room.Length, longest - answer.WrittenCount)], cancellation);
            if (count == 0) break;
            answer.Advance(count);
            heard?.Invoke();
        }
        return Encoding.UTF8.GetString(answer.WrittenSpan);
    }
}
