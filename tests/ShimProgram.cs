using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using NixBuildFarm.Sharing;

namespace NixBuildFarm.Tests;

/// <summary>
/// The shim, built by this machine's gcc with the checks of AddressSanitizer and UndefinedBehaviorSanitizer, with folders and limits of its
/// own. The compiler behind it is a script: it preprocesses to what a file holds, and compiles to a known exit code and message.
/// </summary>
public sealed class ShimProgram : IDisposable
{
    /// <summary>What the script says, and how it exits, when it compiles.</summary>
    public const string Original = "the original compiles";

    /// <summary>How the script exits when it compiles.</summary>
    public const int OriginalCode = 42;

    private readonly string program;

    public ShimProgram()
    {
        Folder = Directory.CreateTempSubdirectory("shim-").FullName;
        program = Path.Combine(Folder, "shim");
        foreach (var folder in (string[])["original", "broker", "store", "work", "bin", "run"])
        {
            Directory.CreateDirectory(Path.Combine(Folder, folder));
        }
        foreach (var tool in new[] { "cc1", "cc1plus" })
        {
            WriteScript($"original/{tool}", $"""for argument; do [ "$argument" != -E ] || exec cat "{Folder}/text"; done; echo "{Original}: $*" >&2; exit {OriginalCode}""");
            File.CreateSymbolicLink(Path.Combine(Folder, "bin", tool), program);
        }
        Problem = Build();
    }

    /// <summary>A folder of its own: <c>store/</c>, <c>original/</c>, <c>bin/cc1plus</c>, and <c>work/</c>, where the shim runs.</summary>
    public string Folder { get; }

    /// <summary>Why there is no shim; null: there is.</summary>
    public string? Problem { get; }

    /// <summary>Where <c>bin/cc1plus</c> runs.</summary>
    public string Work => Path.Combine(Folder, "work");

    /// <summary>What the compiler preprocesses to.</summary>
    public string Text { set => File.WriteAllText(Path.Combine(Folder, "text"), value); }

    /// <summary>Writes a program that <c>/bin/sh</c> runs.</summary>
    public string WriteScript(string name, string script)
    {
        var path = Path.Combine(Folder, name);
        File.WriteAllText(path, "#!/bin/sh\n" + script + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>Listens as a broker would, from here on.</summary>
    public Socket Listen()
    {
        var socket = Path.Combine(Folder, "broker", "socket");
        File.Delete(socket);
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(socket));
        listener.Listen(100);
        return listener;
    }

    /// <summary>Starts the shim as the compiler.</summary>
    public Process StartTool(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null) =>
        Start(Path.Combine(Folder, "bin", "cc1plus"), Work, arguments, environment);

    /// <summary>Starts one of its other trades.</summary>
    public Process StartTrade(string trade, string folder, IReadOnlyDictionary<string, string>? environment = null) =>
        Start(program, folder, [trade], environment);

    /// <summary>Starts a program with nothing in its environment but what is given.</summary>
    public static Process Start(
        string program, string folder, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/bin:/bin";
        // Memory that the end of the process gives back is not given back before.
        start.Environment["ASAN_OPTIONS"] = "detect_leaks=0";
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Waits for its end.</summary>
    public static async Task<ShimEnd> EndAsync(Process process)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Until.Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return new(process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
            process.Dispose();
        }
    }

    public void Dispose() => Remove(Folder);

    /// <summary>Removes a folder with all that is in it, also what has a name that .NET cannot say.</summary>
    public static void Remove(string folder)
    {
        using var rm = Start("/bin/rm", "/", ["-rf", "--", folder]);
        rm.WaitForExit();
        Assert.Equal(0, rm.ExitCode);
    }

    private string? Build()
    {
        var source = Path.Combine(Folder, ShimSource.FileName);
        File.WriteAllText(source, ShimSource.Text);
        string[] arguments =
        [
            "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
            $"-DSTORE_FOLDER=\"{Folder}/store/\"",
            $"-DORIGINAL_FOLDER=\"{Folder}/original\"",
            $"-DBROKER_SOCKET=\"{Folder}/broker/socket\"",
            $"-DRUN_FOLDER=\"{Folder}/run\"",
            "-DFIRST_SILENCE=2000", "-DLATER_SILENCE=2000", "-DSTALE_AFTER=2", "-o", program, source,
        ];
        try
        {
            using var gcc = Start("gcc", Folder, arguments);
            var error = gcc.StandardError.ReadToEnd();
            gcc.WaitForExit();
            return gcc.ExitCode == 0 ? null : error;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "gcc is not installed";
        }
    }
}

/// <summary>How a process ended.</summary>
public sealed record ShimEnd(int Code, string Output, string Error)
{
    /// <summary>Whether it compiled at home.</summary>
    public bool WasAtHome => Code == ShimProgram.OriginalCode && Error.Contains(ShimProgram.Original, StringComparison.Ordinal);
}

/// <summary>One frame of the shim's language.</summary>
/// <param name="Type">Its type.</param>
/// <param name="Payload">Its payload.</param>
public sealed record ShimFrame(uint Type, byte[] Payload)
{
    public const uint Closed = 0, Hello = 1, Local = 2, Describe = 3, Unit = 4, Send = 5, Content = 6, Output = 7, Result = 8, Wait = 9,
        Spent = 10;

    /// <summary>As it goes over a socket.</summary>
    public byte[] Bytes => [.. Number(Type), .. Number((uint)Payload.Length), .. Payload];

    /// <summary>As it goes between broker and coordinator.</summary>
    public byte[] RelayedBytes(uint connection) => [.. Number(connection), .. Bytes];

    /// <summary>A number.</summary>
    public static byte[] Number(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }

    /// <summary>A long number.</summary>
    public static byte[] LongNumber(ulong value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return bytes;
    }

    /// <summary>A text.</summary>
    public static byte[] String(string text) => [.. Number((uint)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    /// <summary>A list of texts.</summary>
    public static byte[] Strings(params string[] texts) => [.. Number((uint)texts.Length), .. texts.SelectMany(String)];

    /// <summary>Reads one; null: the other end has closed.</summary>
    public static async Task<ShimFrame?> ReadAsync(Stream stream)
    {
        var header = new byte[8];
        var count = await stream.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false, TestContext.Current.CancellationToken);
        if (count < header.Length) return null;
        var payload = new byte[BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(4))];
        await stream.ReadExactlyAsync(payload, TestContext.Current.CancellationToken);
        return new(BinaryPrimitives.ReadUInt32LittleEndian(header), payload);
    }
}

/// <summary>Reads what the shim wrote.</summary>
public sealed class ShimFields(byte[] bytes)
{
    private int at;

    /// <summary>Whether all is read.</summary>
    public bool IsAtEnd => at == bytes.Length;

    public uint Number() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4));

    public ulong LongNumber() => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8));

    public string String() => Encoding.UTF8.GetString(Bytes((int)Number()));

    public string[] Strings()
    {
        var texts = new string[Number()];
        for (var i = 0; i < texts.Length; i++) texts[i] = String();
        return texts;
    }

    public byte[] Bytes(int count) => bytes[at..(at += count)];
}
