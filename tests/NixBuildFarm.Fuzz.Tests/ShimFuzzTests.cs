using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace NixBuildFarm.Fuzz.Tests;

/// <summary>
/// The shim with whatever its coordinator, another shim, or a manifest says: with the checks of the sanitizers on, it goes home, refuses,
/// or drops who said it; soon, and touching nothing else.
/// </summary>
public sealed class ShimFuzzTests : IClassFixture<ShimProgram>
{
    private const int Inputs = 250;
    private static readonly string[] Compile = ["-quiet", "main.cc", "-o", "main.s"];
    private readonly ShimProgram shim;

    public ShimFuzzTests(ShimProgram shim)
    {
        this.shim = shim;
        Assert.SkipWhen(shim.Problem is "gcc is not installed", "gcc is not installed");
        Assert.Null(shim.Problem);
        File.WriteAllText(Path.Combine(shim.Work, "main.cc"), "int main() { }\n");
    }

    [Fact]
    public async Task A_shim_goes_home_or_takes_a_sound_result_whatever_the_coordinator_sends()
    {
        byte[] describe = new ShimFrame(ShimFrame.Describe, []).Bytes;
        byte[] result =
        [
            .. new ShimFrame(ShimFrame.Wait, ShimFrame.Number(1)).Bytes, .. new ShimFrame(ShimFrame.Output, "made"u8.ToArray()).Bytes,
            .. new ShimFrame(ShimFrame.Result, [.. ShimFrame.Number(0), .. ShimFrame.String("")]).Bytes,
        ];
        byte[][] sound =
        [
            [.. describe, .. result],
            [.. describe, .. new ShimFrame(ShimFrame.Send, [.. ShimFrame.Number(1), .. ShimFrame.Number(0)]).Bytes, .. result],
            new ShimFrame(ShimFrame.Local, []).Bytes,
        ];
        shim.Text = "# 1 \"main.cc\"\n";
        using var listener = shim.Listen();
        await FuzzAsync(sound, async input =>
        {
            var process = shim.StartTool(Compile);
            using (var connection = await listener.AcceptAsync(TestContext.Current.CancellationToken))
            {
                await SendAsync(connection, input);
                connection.Shutdown(SocketShutdown.Send);
                await DrainAsync(connection);
            }
            var end = await ShimProgram.EndAsync(process);
            var isTaken = end is { Code: 0, Error: "" or [_, ..] } && File.ReadAllText(Path.Combine(shim.Work, "main.s")).Length > 0;
            return end.WasAtHome || isTaken ? null : end.ToString();
        });
    }

    [Fact]
    public async Task A_shim_goes_home_or_describes_whatever_the_text_is()
    {
        var sound = new[]
        {
            "# 0 \"main.cc\"\n# 0 \"<built-in>\"\n# 1 \"main.cc\"\n# 1 \"./a.h\" 1 3 4\n#define A 1\n#pragma once\nint main() { }\n# 2 "
                + "\"main.cc\" 2\n",
            "# 1 \"na\\303\\251me \\\"x\\\".h\" 1\n#embed\n# 1 \"x//\"\n#pragma GCC dependency \"x\"\n# 99999999999 \"main.cc\"\n",
        }.Select(Encoding.UTF8.GetBytes).ToArray();
        using var listener = shim.Listen();
        await FuzzAsync(sound, async input =>
        {
            await File.WriteAllBytesAsync(Path.Combine(shim.Folder, "text"), input, TestContext.Current.CancellationToken);
            var process = shim.StartTool(Compile);
            using (var connection = await listener.AcceptAsync(TestContext.Current.CancellationToken))
            {
                await SendAsync(connection, new ShimFrame(ShimFrame.Describe, []).Bytes);
                connection.Shutdown(SocketShutdown.Send);
                await DrainAsync(connection);
            }
            var end = await ShimProgram.EndAsync(process);
            return end.WasAtHome ? null : end.ToString();
        });
    }

    [Fact]
    public async Task Run_refuses_or_compiles_whatever_the_manifest_says_and_stays_in_its_folder()
    {
        const string text = "# 1 \"main.cc\"\n";
        shim.Text = text;
        var outer = Directory.CreateDirectory(Path.Combine(shim.Folder, "outer")).FullName;
        var top = Path.Combine(outer, "top");
        var stored = Path.Combine(shim.Folder, "store", "file");
        await File.WriteAllTextAsync(stored, "content", TestContext.Current.CancellationToken);
        byte[] sound =
        [
            .. ShimFrame.String("cc1plus"), .. ShimFrame.String($"{top}/a/b"), .. SHA256.HashData(Encoding.ASCII.GetBytes(text)),
            .. ShimFrame.Number(0),
            .. ShimFrame.Strings("A=b"), .. ShimFrame.Strings("main.cc", "-o", ""), .. ShimFrame.Number(2), .. ShimFrame.Number(2),
            .. ShimFrame.String("main.cc"), .. ShimFrame.String(stored), .. ShimFrame.Number(0), .. ShimFrame.LongNumber(0),
            .. ShimFrame.String("../x/y.h"), .. ShimFrame.String(stored), .. ShimFrame.Number(1), .. ShimFrame.LongNumber(7),
        ];
        var output = Path.Combine(shim.Folder, "store", "output");
        var manifest = Path.Combine(shim.Folder, "store", "manifest");
        var tool = Path.Combine(shim.Folder, "original", "cc1plus");
        await FuzzAsync([sound], async input =>
        {
            Directory.CreateDirectory(top);
            await File.WriteAllBytesAsync(manifest, input, TestContext.Current.CancellationToken);
            var end = await ShimProgram.EndAsync(
                shim.StartTrade("run", top, new Dictionary<string, string> { ["manifest"] = manifest, ["tool"] = tool, ["out"] = output }));
            string[] left = [.. Directory.GetFileSystemEntries(outer).Except([top])];
            var isRun = end.Code == 0 && File.ReadAllText(Path.Combine(output, "rc")) is "200" or "42";
            ShimProgram.Remove(output);
            ShimProgram.Remove(top);
            return left.Length > 0 ? $"It left {string.Join(' ', left)}." : isRun || end.Code == 65 ? null : end.ToString();
        });
    }

    [Fact]
    public async Task A_broker_ends_in_order_whatever_the_coordinator_and_a_shim_send()
    {
        byte[][] sound =
        [
            [
                .. new ShimFrame(ShimFrame.Describe, []).RelayedBytes(1), .. new ShimFrame(ShimFrame.Output, new byte[500]).RelayedBytes(1),
                .. new ShimFrame(ShimFrame.Closed, []).RelayedBytes(1),
            ],
            [
                .. new ShimFrame(ShimFrame.Hello, new byte[20]).Bytes, .. new ShimFrame(ShimFrame.Unit, new byte[500]).Bytes,
                .. new ShimFrame(ShimFrame.Local, []).Bytes,
            ],
        ];
        await FuzzAsync(sound, async input =>
        {
            var broker = shim.StartTrade("broker", shim.Folder);
            var line = new StringBuilder();
            while (broker.StandardOutput.BaseStream.ReadByte() is var c and not (-1 or '\n')) line.Append((char)c);
            var folder = line.ToString().Split(' ')[2];
            using (var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            {
                await connection.ConnectAsync(
                    new UnixDomainSocketEndPoint(Path.Combine(folder, "socket")), TestContext.Current.CancellationToken);
                await SendAsync(connection, input);
                try
                {
                    await broker.StandardInput.BaseStream.WriteAsync(input, TestContext.Current.CancellationToken);
                    broker.StandardInput.Close();
                }
                catch (IOException)
                {
                    // It has ended already.
                }
                var end = await ShimProgram.EndAsync(broker);
                return end is { Code: 0, Error: "" } && !Directory.Exists(folder) ? null : end.ToString();
            }
        });
    }

    private static async Task FuzzAsync(IReadOnlyList<byte[]> sound, Func<byte[], Task<string?>> tryAsync)
    {
        var seed = FuzzSettings.Seed;
        var seconds = FuzzSettings.Seconds;
        var mutator = new Mutator(new Random(seed), sound);
        var clock = Stopwatch.StartNew();
        foreach (var input in sound) Assert.Null(await tryAsync(input));
        for (var count = 0; seconds is null ? count < Inputs : clock.Elapsed.TotalSeconds < seconds; count++)
        {
            var input = mutator.Next();
            if (await tryAsync(input) is { } problem)
            {
                Assert.Fail($"{problem}\nSeed {seed}, input {count}: {Convert.ToBase64String(input)}");
            }
        }
    }

    private static async Task SendAsync(Socket connection, byte[] bytes)
    {
        try
        {
            await connection.SendAsync(bytes, TestContext.Current.CancellationToken);
        }
        catch (SocketException)
        {
            // The other end has gone: how, is looked at.
        }
    }

    private static async Task DrainAsync(Socket connection)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            int count;
            do count = await connection.ReceiveAsync(buffer, TestContext.Current.CancellationToken);
            while (count > 0);
        }
        catch (SocketException)
        {
            // So it ends, too.
        }
    }
}
