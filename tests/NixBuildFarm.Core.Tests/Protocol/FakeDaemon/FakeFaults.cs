using NixBuildFarm.Protocol.Messages;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary>What a fake daemon does wrong; nothing by default.</summary>
internal sealed record FakeFaults
{
    /// <summary>What it sends before its greeting.</summary>
    public byte[] Stray { get; init; } = [];

    /// <summary>After so many bytes its output ends; null: never.</summary>
    public long? EndAfter { get; init; }

    /// <summary>The request that it never answers.</summary>
    public WorkerOperation? SilentAt { get; init; }

    /// <summary>Whether it says nothing at all.</summary>
    public bool IsMute { get; init; }

    /// <summary>The requests that it answers with an error, and the error.</summary>
    public IReadOnlyDictionary<WorkerOperation, string> Refusals { get; init; } = new Dictionary<WorkerOperation, string>();

    /// <summary>What goes wrong in a body.</summary>
    public BodyFault Body { get; init; }

    /// <summary>Whether it finds another hash in each NAR than it has.</summary>
    public bool MisreadsNars { get; init; }

    /// <summary>Lines that it logs for each frame of a body.</summary>
    public int LogLinesPerFrame { get; init; }

    /// <summary>Whether it answers with an empty list of results, whatever it was asked to build.</summary>
    public bool ForgetsResults { get; init; }

    /// <summary>It answers no request before so many have come, as only a client can satisfy that does not wait for replies.</summary>
    public int HoldRepliesUntil { get; init; }
}

/// <summary>What goes wrong in a body.</summary>
public enum BodyFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It fails, but reads the body to its end before it says so: what Nix's daemon does.</summary>
    ErrorAfterTheEnd,

    /// <summary>It says in the middle that it has failed, and goes on reading.</summary>
    ErrorInTheMiddle,

    /// <summary>It says in the middle that it has failed, and reads no further.</summary>
    ErrorWithoutReading,

    /// <summary>It says in the middle that it has failed, and closes the connection.</summary>
    ErrorAndClose,

    /// <summary>It closes the connection in the middle without a word.</summary>
    Close,
}
