using System.Diagnostics;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>What tests do with channels.</summary>
internal static class Channels
{
    public const int Line = 16;

    /// <summary>
    /// A command that does not notice the end of its input. It ends with its server, whose folder it has for a home.
    /// </summary>
    public const string Deaf = "while [ -d \"$HOME\" ]; do sleep 0.2; done";

    /// <summary>Longer than a busy machine keeps a server that answers from it.</summary>
    public static readonly TransportOptions Impatient = new() { SilenceTimeout = TimeSpan.FromSeconds(5) };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task EchoAsync(IReadOnlyCollection<IBuilderChannel> channels)
    {
        foreach (var channel in channels)
        {
            await channel.Stream.WriteTextAsync("ping");
            Assert.Equal("ping", await channel.Stream.ReadAsync(4));
        }
    }

    /// <summary>Writes random bytes, and reads them meanwhile.</summary>
    public static async Task EchoMuchAsync(IBuilderChannel channel, int bytes)
    {
        var sent = new byte[bytes];
        Random.Shared.NextBytes(sent);
        var writing = channel.Stream.WriteAsync(sent, Cancellation).AsTask();
        var received = new byte[sent.Length];
        await channel.Stream.ReadExactlyAsync(received, Cancellation);
        await writing;
        Assert.True(sent.AsSpan().SequenceEqual(received));
    }

    public static async Task CloseAsync(IReadOnlyCollection<IBuilderChannel> channels) =>
        await Task.WhenAll(channels.Select(c => c.DisposeAsync().AsTask()));

    /// <summary>Reads to the end, checks that every line is the one that “yes” has written, and watches the memory.</summary>
    public static async Task<(long Read, long HighestMemory)> CountAsync(Stream stream)
    {
        var line = "0123456789abcde\n"u8.ToArray();
        var expected = Enumerable.Repeat(line, 20_000).SelectMany(l => l).ToArray();
        var buffer = new byte[expected.Length - Line];
        long read = 0, highest = 0, nextLook = 0;
        while (await stream.ReadAsync(buffer, Cancellation).AsTask().WaitAsync(Until.Limit, Cancellation) is > 0 and var count)
        {
            var phase = (int)(read % Line);
            Assert.True(buffer.AsSpan(0, count).SequenceEqual(expected.AsSpan(phase, count)), $"wrong bytes after {read}");
            read += count;
            if (read < nextLook) continue;
            nextLook = read + 100_000_000;
            highest = Math.Max(highest, Memory());
        }
        return (read, highest);
    }

    public static long Memory()
    {
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }
}
