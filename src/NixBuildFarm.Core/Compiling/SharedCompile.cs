using NixBuildFarm.Sharing;

namespace NixBuildFarm.Compiling;

/// <summary>A compile of a shared build whose shim is there. Touched by one thread at a time.</summary>
internal sealed class SharedCompile(ShimTalk talk)
{
    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource<CompileUnit> unit = New<CompileUnit>();
    private readonly TaskCompletionSource<IReadOnlyList<ReadOnlyMemory<byte>>> contents = New<IReadOnlyList<ReadOnlyMemory<byte>>>();
    private readonly List<ReadOnlyMemory<byte>> received = [];
    private int expected;
    private long size;

    /// <summary>The talk with its shim.</summary>
    public ShimTalk Talk { get; } = talk;

    /// <summary>Ends when no helper is to do it any more.</summary>
    public CancellationToken Stopping => stop.Token;

    /// <summary>The unit, as soon as the shim has described it.</summary>
    /// <exception cref="OddFrameException">The shim compiles at home, or is gone.</exception>
    public Task<CompileUnit> Unit => unit.Task;

    /// <summary>Takes the description.</summary>
    public void Describe(CompileUnit described) => unit.TrySetResult(described);

    /// <summary>Will take the contents of files.</summary>
    /// <param name="files">Their indexes in the unit.</param>
    /// <param name="bytes">The size of all of them.</param>
    public Task<IReadOnlyList<ReadOnlyMemory<byte>>> Expect(IReadOnlyList<int> files, long bytes)
    {
        (expected, size) = (files.Count, bytes);
        return contents.Task;
    }

    /// <summary>Takes the content of the next file.</summary>
    public void Receive(ReadOnlyMemory<byte> content)
    {
        received.Add(content);
        if (received.Count == expected) contents.TrySetResult(received);
    }

    /// <summary>Lets go of the contents.</summary>
    /// <returns>How much was expected, in bytes.</returns>
    public long ForgetContents() => Interlocked.Exchange(ref size, 0);

    /// <summary>The shim has gone home: nothing more comes.</summary>
    public void Leave(string why)
    {
        unit.TrySetException(new OddFrameException(why));
        contents.TrySetException(new OddFrameException(why));
    }

    /// <summary>No helper is to do it any more.</summary>
    public void Stop() => stop.Cancel();

    private static TaskCompletionSource<T> New<T>()
    {
        var source = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        // It may be that nobody waits.
        _ = source.Task.ContinueWith(static task => _ = task.Exception, TaskScheduler.Default);
        return source;
    }
}
