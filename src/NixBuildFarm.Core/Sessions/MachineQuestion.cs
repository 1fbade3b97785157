using System.Text;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>Asks a builder about its machine, by <see cref="BuilderMachine.Question"/>.</summary>
internal static class MachineQuestion
{
    private const int LongestAnswer = 16 * 1024;

    /// <summary>How long an answer may take once the builder has answered something else.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>Asks a builder. If it does not answer, e.g. since its login may run only Nix, everything stays unknown.</summary>
    public static async Task<BuilderMachine> AskAsync(IBuilderTransport transport, CancellationToken calledOff)
    {
        try
        {
            await using var channel = await transport.OpenAsync(ChannelUse.Machine, calledOff);
            return BuilderMachine.Parse(await ReadAsync(channel.Stream, calledOff));
        }
        catch (Exception e) when (e is BuilderException or IOException or OperationCanceledException)
        {
            return new();
        }
    }

    private static async Task<string> ReadAsync(Stream stream, CancellationToken cancellation)
    {
        var buffer = new byte[LongestAnswer];
        var count = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellation);
        return Encoding.UTF8.GetString(buffer, 0, count);
    }
}
