using System.Collections.Concurrent;
using System.Management.Automation;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Serving;

/// <summary>What is said while the thread of the pipeline runs something else: it is written when that thread comes back.</summary>
internal sealed class LaterOutput : CommandOutput
{
    private readonly ConcurrentQueue<Action<Cmdlet>> waiting = new();

    /// <summary>Writes what waits. To be called on the pipeline's thread.</summary>
    public void WriteTo(Cmdlet cmdlet)
    {
        while (waiting.TryDequeue(out var write)) write(cmdlet);
    }

    /// <inheritdoc/>
    public override void Object(object value) => waiting.Enqueue(cmdlet => cmdlet.WriteObject(value));

    /// <inheritdoc/>
    public override void Error(ErrorRecord error) => waiting.Enqueue(cmdlet => cmdlet.WriteError(error));

    /// <inheritdoc/>
    public override void Warning(string message) => waiting.Enqueue(cmdlet => cmdlet.WriteWarning(message));

    /// <inheritdoc/>
    public override void Verbose(string message) => waiting.Enqueue(cmdlet => cmdlet.WriteVerbose(message));

    /// <inheritdoc/>
    public override void Debug(string message) => waiting.Enqueue(cmdlet => cmdlet.WriteDebug(message));

    /// <inheritdoc/>
    public override void Information(object message, params string[] tags) =>
        waiting.Enqueue(cmdlet => cmdlet.WriteInformation(message, tags));

    /// <summary>The client that asked has its own progress.</summary>
    public override void Progress(ProgressRecord record)
    {
    }
}
