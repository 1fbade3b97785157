namespace NixBuildFarm.Scheduling;

/// <summary>Where the duration that is expected of a build comes from.</summary>
public enum EstimateSource
{
    /// <summary>A guess from the attributes and inputs of the derivation.</summary>
    Guess,

    /// <summary>Builds that this module has done.</summary>
    Run,

    /// <summary>Builds that this module has done for another user.</summary>
    OtherHistory,

    /// <summary>Logs of Nix on a builder: builds that it has done for others, or before.</summary>
    NixLog,

    /// <summary>The build reports of nix-output-monitor.</summary>
    NixOutputMonitor,

    /// <summary>The shipped table of packages.</summary>
    Table,
}
