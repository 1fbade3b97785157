using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Deciding;
using NixBuildFarm.Deciding.Journal;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.FollowUp;
using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Running;

/// <summary>What one run shall build, with which builders, and how.</summary>
public sealed record BuildRequest
{
    /// <summary>Finds what is asked for, which may take Nix a while: builders are connected meanwhile.</summary>
    public required Func<CancellationToken, Task<IReadOnlyList<RequestedDerivation>>> Evaluate { get; init; }

    /// <summary>What was asked for as the user put it, for the history; empty: the derivations speak for themselves.</summary>
    public IReadOnlyList<string> Named { get; init; } = [];

    /// <summary>
    /// The builders of the run; entries that are one machine become one. The local machine builds only if it is among them; its store is
    /// used always.
    /// </summary>
    public required IReadOnlyList<NixBuilder> Builders { get; init => field = NixBuilder.ByMachine(value); }

    /// <summary>Whether what does not depend on a failed build is built all the same.</summary>
    public bool KeepGoing { get; init; }

    /// <summary>Whether the directories of failed builds are kept, and brought to this machine.</summary>
    public bool KeepFailed { get; init; }

    /// <summary>How often a derivation is tried before the failures of builders count as its own.</summary>
    public int MaxAttempts { get; init; } = 3;

    /// <summary>How long builds wait for builders that were lost; null: 15 minutes, and a day in a farm that serves.</summary>
    public TimeSpan? MaxAbsence { get; init; }

    /// <summary>A build that prints nothing for this long is ended; null: what each builder is configured for.</summary>
    public TimeSpan? MaxSilentTime { get; init; }

    /// <summary>A build that takes longer is ended; null: what each builder is configured for.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Cores of each build; null: the scheduler decides.</summary>
    public int? Cores { get; init; }

    /// <summary>Whether a build that is late on the critical path is started a second time on a machine that is idle.</summary>
    public bool Hedge { get; init; }

    /// <summary>Which builds have their compiles done by other builders too.</summary>
    public ShareMode Share { get; init; }

    /// <summary>Which outputs come home.</summary>
    public CopyBack CopyBack { get; init; } = CopyBack.All;

    /// <summary>Whether the user has said so for this run: then no policy of a builder changes it.</summary>
    public bool IsCopyBackGiven { get; init; }

    /// <summary>
    /// The stores that get what is built, as URIs for <c>nix copy --to</c>; none: those that the policies of builders say.
    /// </summary>
    /// <exception cref="NixBuildFarmException">One is no such URI.</exception>
    public IReadOnlyList<string> PushTo
    {
        get;
        init
        {
            foreach (var uri in value)
            {
                if (StoreUri.WhyNot(uri) is not { } why) continue;
                throw new NixBuildFarmException(
                    "MalformedStore", $"“{StoreUri.WithoutSecrets(uri)}” is no store: {why}.",
                    "Name one as nix copy --to does: s3://cache, file:///srv/cache, https://cache.example.org, ssh-ng://host.");
            }
            field = value;
        }
    } = [];

    /// <summary>The machines whose stores get what is built.</summary>
    public IReadOnlyList<NixBuilder> CopyTo { get; init; } = [];

    /// <summary>Which outputs go to those stores and machines; null: what the policy of their builder says, or all.</summary>
    public PushScope? Push { get; init; }

    /// <summary>Private keys of this machine that sign what it pushes to a binary cache (<c>secret-key-files</c>).</summary>
    public IReadOnlyList<string> SecretKeyFiles { get; init; } = [];

    /// <summary>Bytes per second that may leave this machine for all builders together; null: no limit.</summary>
    public long? MaxUpload { get; init; }

    /// <summary>Where links to the requested outputs are made, which also keep them from the garbage collector; null: no links.</summary>
    public string? OutLink { get; init; }

    /// <summary>The number in the name of the second such link: 1 as with <c>nix build</c>, 2 as with <c>nix-build</c>.</summary>
    public int SecondLinkNumber { get; init; } = 2;

    /// <summary>The program that Nix runs here after each build (<c>post-build-hook</c>); null: none.</summary>
    public string? PostBuildHook { get; init; }

    /// <summary>
    /// Settings of nix.conf that say how builds are carried out and where outputs may be fetched: see <see cref="BuildSettings"/>.
    /// </summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>The folder of this run's logs; null: below the state folder.</summary>
    public string? LogFolder { get; init; }

    /// <summary>The file that takes down what the run decides on, and what it decides (<see cref="RunJournal"/>); null: none.</summary>
    public string? JournalFile { get; init; }

    /// <summary>Whether builders fetch from their own substituters what these have (<c>builders-use-substitutes</c>).</summary>
    public bool BuildersUseSubstitutes { get; init; }

    /// <summary>The links; null: none are wanted.</summary>
    internal OutLinks? Links => OutLink is null ? null : new(OutLink, SecondLinkNumber);

    /// <summary>Files of compiles leave this machine past any limit: who sets one has to ask for sharing.</summary>
    private ShareMode AllowedShare => MaxUpload is not null && Share == ShareMode.Auto ? ShareMode.Never : Share;

    /// <summary>What decisions depend on, in this run and in the plan of it.</summary>
    internal RunRules Rules => new()
    {
        KeepGoing = KeepGoing,
        MaxAttempts = MaxAttempts,
        MaxAbsence = MaxAbsence ?? RunRules.UsualAbsence,
        Cores = Cores,
        CopyBack = CopyBack,
        IsCopyBackGiven = IsCopyBackGiven,
        PushTo = [.. PushTo.Select(PushTarget.Of).Distinct()],
        CopyTo = [.. CopyTo.Select(PushTarget.Of).Distinct()],
        Push = Push,
        Scheduling = new() { Moldable = true, Hedge = Hedge, Share = AllowedShare },
    };
}
