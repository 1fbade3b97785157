using System.Management.Automation;

namespace NixBuildFarm.EngineHost;

/// <summary>All that a script wrote, and how it ended.</summary>
public sealed class ScriptResult
{
    internal ScriptResult(IEnumerable<PSObject> output, PSDataStreams streams, RuntimeException? terminatingError, bool stopped)
    {
        Output = [.. output];
        Errors = [.. streams.Error];
        Warnings = [.. streams.Warning.Select(r => r.Message)];
        Verbose = [.. streams.Verbose.Select(r => r.Message)];
        Debug = [.. streams.Debug.Select(r => r.Message)];
        Information = [.. streams.Information];
        Progress = [.. streams.Progress];
        TerminatingError = terminatingError?.ErrorRecord;
        Stopped = stopped;
    }

    public IReadOnlyList<PSObject> Output { get; }

    /// <summary>The non-terminating errors.</summary>
    public IReadOnlyList<ErrorRecord> Errors { get; }

    public IReadOnlyList<string> Warnings { get; }

    public IReadOnlyList<string> Verbose { get; }

    public IReadOnlyList<string> Debug { get; }

    public IReadOnlyList<InformationRecord> Information { get; }

    public IReadOnlyList<ProgressRecord> Progress { get; }

    /// <summary>The error that ended it; null: none did.</summary>
    public ErrorRecord? TerminatingError { get; }

    /// <summary>Whether it was stopped.</summary>
    public bool Stopped { get; }

    /// <summary>The output's objects as <typeparamref name="T"/>.</summary>
    /// <exception cref="InvalidCastException">One of them is something else.</exception>
    public IEnumerable<T> OutputAs<T>() => Output.Select(o => (T)o.BaseObject);
}
