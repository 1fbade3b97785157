namespace NixBuildFarm.Protocol;

/// <summary>Settings that a client gives a daemon for the rest of the connection.</summary>
internal sealed record DaemonOptions
{
    /// <summary>Whether the folder of a failed build stays.</summary>
    public bool KeepFailed { get; init; }

    /// <summary>Whether other builds of a request go on after one failed.</summary>
    public bool KeepGoing { get; init; }

    /// <summary>Whether to build derivations that cannot be substituted.</summary>
    public bool TryFallback { get; init; }

    /// <summary>Which of its messages the daemon sends.</summary>
    public Verbosity Verbosity { get; init; } = Verbosity.Info;

    /// <summary>How many builds of one request run at a time.</summary>
    public int MaxBuildJobs { get; init; } = 1;

    /// <summary>A build that prints nothing for this long is ended; zero: no limit. Whole seconds count.</summary>
    public TimeSpan MaxSilentTime { get; init; }

    /// <summary>Cores for each build (<c>NIX_BUILD_CORES</c>); 0: all of the machine.</summary>
    public int BuildCores { get; init; }

    /// <summary>Whether the daemon may fetch from its substituters.</summary>
    public bool UseSubstitutes { get; init; } = true;

    /// <summary>
    /// Settings of nix.conf by name. A daemon that does not trust the user heeds only <c>timeout</c>, <c>max-silent-time</c>,
    /// <c>build-poll-interval</c>, <c>connect-timeout</c>, an empty <c>builders</c>, and substituters that it trusts.
    /// </summary>
    public IReadOnlyDictionary<string, string> Overrides { get; init; } = new Dictionary<string, string>();
}
