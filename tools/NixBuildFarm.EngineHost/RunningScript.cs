using System.Management.Automation;

namespace NixBuildFarm.EngineHost;

/// <summary>A script that runs in an <see cref="Engine"/>.</summary>
public sealed class RunningScript : IDisposable
{
    private readonly PowerShell shell;
    private readonly PSDataCollection<PSObject> output = new() { BlockingEnumerator = true };
    private readonly IAsyncResult running;

    internal RunningScript(PowerShell shell)
    {
        this.shell = shell;
        running = shell.BeginInvoke<PSObject, PSObject>(null, output);
    }

    /// <summary>What it writes to the pipeline, as it comes: enumerating it waits until the script ends.</summary>
    public IEnumerable<PSObject> Output
    {
        get
        {
            foreach (var value in output) yield return value;
        }
    }

    /// <summary>What it has written to the other streams so far.</summary>
    public PSDataStreams Streams => shell.Streams;

    /// <summary>Completes with its end.</summary>
    public Task Ended => Task.Factory.FromAsync(running, static _ => { });

    /// <summary>Stops it, as Ctrl-C does, and returns when it has stopped.</summary>
    public void Stop() => shell.Stop();

    /// <summary>Stops it, as Ctrl-C does, and returns at once.</summary>
    public void BeginStop() => shell.BeginStop(null, null);

    /// <summary>Waits for its end.</summary>
    /// <exception cref="TimeoutException">It has not ended within <paramref name="limit"/>, and was stopped.</exception>
    public ScriptResult Wait(TimeSpan? limit = null)
    {
        if (limit is { } time && !running.AsyncWaitHandle.WaitOne(time))
        {
            BeginStop();
            throw new TimeoutException($"The script has not ended within {time}.");
        }

        RuntimeException? terminatingError = null;
        var stopped = false;
        try
        {
            shell.EndInvoke(running);
        }
        catch (PipelineStoppedException)
        {
            stopped = true;
        }
        catch (RuntimeException e)
        {
            terminatingError = e;
        }
        return new ScriptResult(output, Streams, terminatingError, stopped);
    }

    public void Dispose() => shell.Dispose();
}
