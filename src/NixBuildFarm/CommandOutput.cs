using System.Management.Automation;

namespace NixBuildFarm;

/// <summary>The streams of a cmdlet, for use from any thread, in the order of the calls.</summary>
public sealed class CommandOutput
{
    private readonly Action<Action<Cmdlet>> post;
    private readonly SemaphoreSlim room;
    private readonly CancellationToken stopped;

    /// <summary>Makes the streams.</summary>
    /// <param name="post">Has the pipeline's thread do something.</param>
    /// <param name="room">For how many pieces of information there is room.</param>
    /// <param name="stopped">Nobody listens any more.</param>
    internal CommandOutput(Action<Action<Cmdlet>> post, SemaphoreSlim room, CancellationToken stopped)
    {
        this.post = post;
        this.room = room;
        this.stopped = stopped;
    }

    /// <summary>Writes an object to the pipeline.</summary>
    public void Object(object value) => post(c => c.WriteObject(value));

    /// <summary>Writes a non-terminating error.</summary>
    public void Error(ErrorRecord error) => post(c => c.WriteError(error));

    /// <summary>Writes a non-terminating error about <paramref name="target"/>.</summary>
    public void Error(NixBuildFarmException error, object? target = null) => Error(error.ToErrorRecord(target));

    /// <summary>Says what is not as it should be.</summary>
    public void Warning(string message) => post(c => c.WriteWarning(message));

    /// <summary>Says which decision was taken.</summary>
    public void Verbose(string message) => post(c => c.WriteVerbose(message));

    /// <summary>Says what passes over the wire.</summary>
    public void Debug(string message) => post(c => c.WriteDebug(message));

    /// <summary>
    /// Writes to the information stream. There may be very much of this: who writes faster than the pipeline takes it has to wait, so that
    /// what is pending never fills the memory.
    /// </summary>
    public void Information(object message, params string[] tags)
    {
        try
        {
            room.Wait(stopped);
        }
        catch (OperationCanceledException)
        {
            return; // Nobody listens any more.
        }
        post(c =>
        {
            room.Release();
            c.WriteInformation(message, tags);
        });
    }

    /// <summary>Shows progress.</summary>
    public void Progress(ProgressRecord record) => post(c => c.WriteProgress(record));
}
