using System.Management.Automation;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Hosting;

/// <summary>
/// The streams that a command writes to, for use from any thread, in the order of the calls: those of a cmdlet or of a job.
/// </summary>
public abstract class CommandOutput
{
    // The tag of Write-Host: the host shows the text regardless of preferences for the information stream.
    private const string HostTag = "PSHOST";

    /// <summary>Writes an object to the pipeline.</summary>
    public abstract void Object(object value);

    /// <summary>Writes a non-terminating error.</summary>
    public abstract void Error(ErrorRecord error);

    /// <summary>Writes a non-terminating error about <paramref name="target"/>.</summary>
    public void Error(NixBuildFarmException error, object? target = null) => Error(error.ToErrorRecord(target));

    /// <summary>Writes a warning.</summary>
    public abstract void Warning(string message);

    /// <summary>Says which decision was taken.</summary>
    public abstract void Verbose(string message);

    /// <summary>Writes a debug message.</summary>
    public abstract void Debug(string message);

    /// <summary>Writes to the information stream. There may be very much of this.</summary>
    public abstract void Information(object message, params string[] tags);

    /// <summary>Shows progress.</summary>
    public abstract void Progress(ProgressRecord record);

    /// <summary>Writes text to the information stream that the host shows, and that is no part of the output.</summary>
    public void Text(string text, string tag) => Information(new HostInformationMessage { Message = text }, HostTag, tag);

    /// <summary>
    /// Writes text for the user. If standard output goes to a file or another program, the text would be part of the output there; then it
    /// is shown only on request, as the rest of the information stream.
    /// </summary>
    public void Remark(string text, string tag)
    {
        if (Console.IsOutputRedirected) Information(text, tag);
        else Text(text, tag);
    }
}

/// <summary>The streams of a cmdlet: output is queued, and written on the thread of the pipeline.</summary>
/// <param name="post">Has the pipeline's thread do something.</param>
/// <param name="room">For how many pieces of information there is room.</param>
/// <param name="stopped">Cancelled when there is no receiver any more.</param>
internal sealed class CmdletOutput(Action<Action<Cmdlet>> post, SemaphoreSlim room, CancellationToken stopped) : CommandOutput
{
    public override void Object(object value) => post(c => c.WriteObject(value));

    public override void Error(ErrorRecord error) => post(c => c.WriteError(error));

    public override void Warning(string message) => post(c => c.WriteWarning(message));

    public override void Verbose(string message) => post(c => c.WriteVerbose(message));

    public override void Debug(string message) => post(c => c.WriteDebug(message));

    // A writer that is faster than the pipeline has to wait, so that pending output never fills the memory.
    public override void Information(object message, params string[] tags)
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

    public override void Progress(ProgressRecord record) => post(c => c.WriteProgress(record));
}
