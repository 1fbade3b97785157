using NixBuildFarm.Text;

namespace NixBuildFarm.Protocol;

/// <summary>
/// Something that a daemon says while it works on a request. Its texts are as the daemon sent them: they may hold
/// terminal control, which <see cref="TerminalText.Strip"/> takes out before they are shown.
/// </summary>
internal abstract record DaemonMessage;

/// <summary>A line of the daemon's own log, e.g. a warning.</summary>
/// <param name="Text">The text, without the line end.</param>
internal sealed record DaemonLogLine(string Text) : DaemonMessage
{
    /// <summary>How important it is; the protocol does not say it of lines that come.</summary>
    public Verbosity Level { get; init; } = Verbosity.Info;
}

/// <summary>The daemon began something.</summary>
/// <param name="Id">Its number in later messages.</param>
/// <param name="Level">How important it is.</param>
/// <param name="Type">The kind of activity.</param>
/// <param name="Text">The text that Nix would show, e.g. <c>building '/nix/store/…'</c>; may be empty.</param>
/// <param name="Fields">Details whose meaning depends on the type.</param>
/// <param name="Parent">The activity that it is part of; 0: none.</param>
internal sealed record ActivityStarted(
    ulong Id, Verbosity Level, ActivityType Type, string Text, IReadOnlyList<ActivityField> Fields, ulong Parent) : DaemonMessage;

/// <summary>The daemon ended something.</summary>
/// <param name="Id">The activity that began it.</param>
internal sealed record ActivityStopped(ulong Id) : DaemonMessage;

/// <summary>One line that a build printed, or a piece of one, without its line end.</summary>
/// <param name="Activity">The build.</param>
/// <param name="Line">The line, whose bytes need not be UTF-8 (see <see cref="Store.NixText"/>).</param>
internal sealed record BuildLogLine(ulong Activity, string Line) : DaemonMessage
{
    /// <summary>Whether it goes on with the line of the message before: a line of many megabytes comes in pieces.</summary>
    public bool IsContinued { get; init; }

    /// <summary>Whether the next message goes on with this line.</summary>
    public bool IsUnfinished { get; init; }
}

/// <summary>A build entered a phase.</summary>
/// <param name="Activity">The build.</param>
/// <param name="Phase">E.g. <c>unpackPhase</c>.</param>
internal sealed record BuildPhaseEntered(ulong Activity, string Phase) : DaemonMessage;

/// <summary>How far an activity is; the unit depends on its type: bytes of a copy, jobs of a build.</summary>
/// <param name="Activity">The activity.</param>
/// <param name="Done">Done so far.</param>
/// <param name="Expected">In all; 0: unknown.</param>
/// <param name="Running">Under way.</param>
/// <param name="Failed">Failed so far.</param>
internal sealed record ActivityProgress(ulong Activity, ulong Done, ulong Expected, ulong Running, ulong Failed) : DaemonMessage;

/// <summary>Any other news of an activity, also from a Nix that is newer than this code.</summary>
/// <param name="Activity">The activity.</param>
/// <param name="Type">The kind of result.</param>
/// <param name="Fields">Details whose meaning depends on the type.</param>
internal sealed record ActivityResult(ulong Activity, ActivityResultType Type, IReadOnlyList<ActivityField> Fields) : DaemonMessage
{
    /// <summary>News of an activity in the one form that Nix has for all of it; null: the message is none.</summary>
    public static ActivityResult? Of(DaemonMessage message) => message switch
    {
        ActivityResult result => result,
        BuildLogLine line => new(line.Activity, ActivityResultType.BuildLogLine, [new(0, line.Line)]),
        BuildPhaseEntered phase => new(phase.Activity, ActivityResultType.SetPhase, [new(0, phase.Phase)]),
        ActivityProgress p => new(
            p.Activity, ActivityResultType.Progress, [new(p.Done, null), new(p.Expected, null), new(p.Running, null), new(p.Failed, null)]),
        _ => null,
    };
}

/// <summary>One detail of an activity: a number or a text.</summary>
/// <param name="Number">The number; 0 where it is a text.</param>
/// <param name="Text">The text; null where it is a number.</param>
internal readonly record struct ActivityField(ulong Number, string? Text)
{
    /// <summary>The number or the text.</summary>
    public override string ToString() => Text ?? Number.ToString();
}

/// <summary>The kinds of activities. [src/libutil/include/nix/util/logging.hh of NixOS/nix]</summary>
internal enum ActivityType
{
    /// <summary>Unspecified.</summary>
    Unknown = 0,

    /// <summary>Copies a store path between two stores.</summary>
    CopyPath = 100,

    /// <summary>Downloads or uploads a file.</summary>
    FileTransfer = 101,

    /// <summary>Brings paths into being, by building or substituting.</summary>
    Realise = 102,

    /// <summary>Copies several store paths.</summary>
    CopyPaths = 103,

    /// <summary>Builds several derivations.</summary>
    Builds = 104,

    /// <summary>Builds one derivation.</summary>
    Build = 105,

    /// <summary>Links equal files together.</summary>
    OptimiseStore = 106,

    /// <summary>Checks the store.</summary>
    VerifyPaths = 107,

    /// <summary>Fetches a store path from a substituter.</summary>
    Substitute = 108,

    /// <summary>Asks a substituter for a path.</summary>
    QueryPathInfo = 109,

    /// <summary>Runs the post-build hook.</summary>
    PostBuildHook = 110,

    /// <summary>Waits for a lock or a build user before it can build.</summary>
    BuildWaiting = 111,
}

/// <summary>The kinds of results of activities. [src/libutil/include/nix/util/logging.hh of NixOS/nix]</summary>
internal enum ActivityResultType
{
    /// <summary>A file was replaced by a link to an equal one.</summary>
    FileLinked = 100,

    /// <summary>A line that a build printed.</summary>
    BuildLogLine = 101,

    /// <summary>A path without a trusted signature.</summary>
    UntrustedPath = 102,

    /// <summary>A path whose contents do not have the registered hash.</summary>
    CorruptedPath = 103,

    /// <summary>A build entered a phase.</summary>
    SetPhase = 104,

    /// <summary>Done, expected, running, failed.</summary>
    Progress = 105,

    /// <summary>How much of a kind of activity is expected.</summary>
    SetExpected = 106,

    /// <summary>A line that the post-build hook printed.</summary>
    PostBuildLogLine = 107,
}
