using System.Text;
using NixBuildFarm.Core.Tests.Sharing;
using NixBuildFarm.Sharing;

namespace NixBuildFarm.Core.Tests.Compiling;

/// <summary>What a shim of a test does wrong.</summary>
internal enum ShimFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It is killed while it waits.</summary>
    Vanishes,

    /// <summary>It is killed after it has described its unit.</summary>
    VanishesDescribed,

    /// <summary>It says nothing that can be understood.</summary>
    Babbles,

    /// <summary>It sends a file that is not the one that it described.</summary>
    Lies,

    /// <summary>It goes home by itself in place of a description.</summary>
    Leaves,
}

/// <summary>How a compile of a test ended, as its shim saw it.</summary>
internal enum CompileEnd
{
    /// <summary>A helper's result came.</summary>
    Result,

    /// <summary>It was compiled at home.</summary>
    Home,

    /// <summary>The shim was killed.</summary>
    Killed,
}

/// <summary>A shim in this process: its unit is one file, and a header that all share.</summary>
internal static class FakeShim
{
    /// <summary>What a helper makes of a source.</summary>
    public static byte[] Compiled(byte[] source) => [.. "compiled "u8, .. source];

    /// <summary>Compiles.</summary>
    /// <param name="broker">The way out.</param>
    /// <param name="name">The source.</param>
    /// <param name="fault">What it does wrong.</param>
    /// <param name="atHomeAsync">What it takes to compile at home; null: nothing.</param>
    public static async Task<CompileEnd> CompileAsync(
        FakeBroker broker, string name, ShimFault fault = ShimFault.None, Func<Task>? atHomeAsync = null)
    {
        var source = Encoding.UTF8.GetBytes($"int {name};\n");
        var (connection, frames) = await broker.ConnectAsync(name);
        if (fault == ShimFault.Vanishes) return await EndAsync(CompileEnd.Killed);
        var output = new MemoryStream();
        await foreach (var frame in frames.ReadAllAsync())
        {
            switch (frame.Kind)
            {
                case FrameKind.Wait: break;
                case FrameKind.Describe when fault == ShimFault.Babbles:
                    await broker.SayAsync(connection, FrameKind.Unit, [1, 0, 0, 0, 7]);
                    break;
                case FrameKind.Describe when fault == ShimFault.Leaves:
                    await broker.SayAsync(connection, FrameKind.Local, new FieldWriter().Text("too large"u8).ToArray());
                    return await HomeAsync();
                case FrameKind.Describe:
                    await broker.SayAsync(connection, FrameKind.Unit, [1, 0, 0, 0, .. SampleUnit.Description(
                        headers: [],
                        files: [(name, (ulong)source.Length, source), ("shared.h", (ulong)SampleUnit.Header.Length, SampleUnit.Header)])]);
                    if (fault == ShimFault.VanishesDescribed) return await EndAsync(CompileEnd.Killed);
                    break;
                case FrameKind.Send:
                    var reader = new FieldReader(frame.Payload);
                    for (var left = reader.ReadUInt32(); left > 0; left--)
                    {
                        var index = reader.ReadUInt32();
                        var content = index == 0 ? source : SampleUnit.Header;
                        if (fault == ShimFault.Lies) content = [.. content[..^1], (byte)'x'];
                        await broker.SayAsync(connection, FrameKind.Content, [.. BitConverter.GetBytes(index), 1, 0, 0, 0, .. content]);
                    }
                    break;
                case FrameKind.Output: output.Write(frame.Payload.Span); break;
                case FrameKind.Result:
                    Assert.Equal(Compiled(source), output.ToArray());
                    await broker.SayAsync(connection, FrameKind.Spent, new FieldWriter().UInt64(40_000).UInt64(10_000).ToArray());
                    return await EndAsync(CompileEnd.Result);
                case FrameKind.Local: return await HomeAsync();
                case FrameKind.Closed: return CompileEnd.Home;
                default: throw new InvalidOperationException($"A shim was told {frame.Kind}.");
            }
        }
        // The broker is gone.
        return CompileEnd.Home;

        async Task<CompileEnd> HomeAsync()
        {
            if (atHomeAsync is not null) await atHomeAsync();
            return await EndAsync(CompileEnd.Home);
        }

        async Task<CompileEnd> EndAsync(CompileEnd end)
        {
            await broker.SayAsync(connection, FrameKind.Closed, []);
            return end;
        }
    }
}
