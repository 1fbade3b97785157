using System.Text;
using NixBuildFarm.Errors;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>The answer of a builder to a script that ends by itself.</summary>
internal static class ShellAnswer
{
    private const int Longest = 128 * 1024;

    /// <summary>Reads it; null where the builder does not answer, e.g. since its login may run only Nix.</summary>
    /// <param name="transport">Reaches the builder.</param>
    /// <param name="use">The script.</param>
    /// <param name="calledOff">Gives up.</param>
    public static async Task<string?> ReadAsync(IBuilderTransport transport, ChannelUse use, CancellationToken calledOff)
    {
        try
        {
            await using var channel = await transport.OpenAsync(use, calledOff);
            var buffer = new byte[Longest];
            var count = await channel.Stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, calledOff);
            return Encoding.UTF8.GetString(buffer, 0, count);
        }
        catch (Exception e) when (e is BuilderException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            return null;
        }
    }
}
