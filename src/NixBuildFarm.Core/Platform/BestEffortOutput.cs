namespace NixBuildFarm.Platform;

/// <summary>
/// A file that a run writes beside its work. A failure does not fail the run: the first one is reported, and ends the writing.
/// </summary>
/// <param name="stream">The file; closed at the end, or at the first failure.</param>
/// <param name="onFailure">Receives the first failure.</param>
internal sealed class BestEffortOutput(Stream stream, Action<Exception> onFailure) : IDisposable
{
    /// <summary>Whether the file is still written.</summary>
    public bool IsOpen { get; private set; } = true;

    /// <summary>Writes. Does nothing after a failure, or after the end.</summary>
    public void Write(Action<Stream> write)
    {
        if (!IsOpen) return;
        try
        {
            write(stream);
        }
        catch (Exception e) when (IsTrouble(e))
        {
            IsOpen = false;
            onFailure(e);
            Abandon();
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        Write(static stream => stream.Dispose());
        IsOpen = false;
    }

    // Closing tries to write the buffered bytes, which fails as well: it is tried once.
    private void Abandon()
    {
        try
        {
            stream.Dispose();
        }
        catch (Exception e) when (IsTrouble(e))
        {
            // It was told before.
        }
    }

    private static bool IsTrouble(Exception error) => error is IOException or UnauthorizedAccessException;
}
