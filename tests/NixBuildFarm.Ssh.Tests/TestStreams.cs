using System.Text;

namespace NixBuildFarm.Ssh.Tests;

/// <summary>What most tests do with a stream.</summary>
internal static class TestStreams
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<string> ReadAsync(this Stream stream, int count)
    {
        var buffer = new byte[count];
        await stream.ReadExactlyAsync(buffer, Cancellation).AsTask().WaitAsync(Until.Limit, Cancellation);
        return Encoding.UTF8.GetString(buffer);
    }

    public static async Task<string> ReadToEndAsync(this Stream stream)
    {
        using var reader = new StreamReader(stream, leaveOpen: true);
        return await reader.ReadToEndAsync(Cancellation).WaitAsync(Until.Limit, Cancellation);
    }

    public static async Task WriteTextAsync(this Stream stream, string text) =>
        await stream.WriteAsync(Encoding.UTF8.GetBytes(text), Cancellation).AsTask().WaitAsync(Until.Limit, Cancellation);
}
