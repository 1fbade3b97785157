using NixBuildFarm.History;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Sharing;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Which builds are shared, and where each of their compiles is done. Who lends what is for <see cref="CompileLending"/> to say; here it
/// becomes
/// actions.
/// </summary>
internal sealed class CompileGrants(RunFacts facts)
{
    /// <summary>How long a compile elsewhere may take while nobody knows how long they take.</summary>
    private static readonly TimeSpan FirstLimit = TimeSpan.FromMinutes(10);

    /// <summary>A compile that takes longer than this, and many times as long as any before, is done at home.</summary>
    private static readonly TimeSpan LeastLimit = TimeSpan.FromMinutes(2);

    private const double MostTimesLongest = 4;

    /// <summary>
    /// Seconds from which on a compile at home is worth being found again: reading all that it reads, and a derivation, cost a part of
    /// that.
    /// </summary>
    private const double WorthKeeping = 1;

    private readonly CompileLending lending = new(facts.Scheduler);
    private readonly Dictionary<long, double> lentAt = [];
    private readonly Dictionary<(int Job, int Builder), Attempt> heldUp = [];
    private readonly Dictionary<long, int> homes = [];
    private double longest;
    private double total;
    private int delivered;
    private long builds;

    /// <summary>How a build that starts is shared; null: it is built as any other.</summary>
    /// <param name="job">The job.</param>
    /// <param name="builder">Where.</param>
    /// <param name="cores">The cores that it is counted with.</param>
    public ShareTerms? TermsOf(RunJob job, int builder, int cores)
    {
        // Who lays the cores down does not want others.
        if (facts.Rules is { Cores: not null, Scheduling.Share: not ShareMode.Always }) return null;
        if (!lending.MayBeHelped(job.Index, builder)) return null;
        // What a build sees, and how many cores it is told of, is laid down as it begins: helpers that come later count.
        var names = facts.Expected.Select(connection => connection.Builder).ToHashSet();
        FarmBuilder[] expected =
        [
            .. facts.Estimates.Farm.Where(helper => names.Contains(helper.Name) && lending.MayHelp(job.Index, builder, helper)),
        ];
        if (expected.Length == 0 && !Enumerable.Range(0, facts.Farm.Count).Any(helper => lending.MayHelp(job.Index, builder, helper)))
        {
            return null;
        }
        return new(++builds, cores, lending.CoresToTell(job.Index, builder, cores, expected));
    }

    /// <summary>What a shared build has gained, by the speeds of the builders that helped.</summary>
    /// <param name="attempt">The build.</param>
    /// <param name="shared">What was compiled where.</param>
    public SharedCompiles Weigh(Attempt attempt, SharedCompiles shared)
    {
        return shared with
        {
            Seconds = shared.Builders.Sum(builder => builder.Seconds * SpeedOf(builder)),
            Saved = SharingGain.Of(shared, attempt.Share?.HomePlaces ?? 1, SpeedOf),
        };

        double SpeedOf(BuilderCompiles builder)
        {
            var index = facts.IndexOf(builder.Builder);
            return builder.IsHome || index < 0
                ? 1
                : facts.Scheduler.SpeedOf(index, attempt.Job.Index) / facts.Scheduler.SpeedOf(attempt.Builder, attempt.Job.Index);
        }
    }

    /// <summary>An attempt starts: where its slot is still lent, it begins to build when that is back.</summary>
    public void Start(Attempt attempt)
    {
        if (lending.Claim(attempt.Job.Index, attempt.Builder)) return;
        attempt.IsHeldUp = true;
        heldUp[(attempt.Job.Index, attempt.Builder)] = attempt;
    }

    /// <summary>How many slots of a builder compiles of others are in now.</summary>
    public int LentBy(int builder) => lending.LentBy(builder);

    /// <summary>Takes note of what has happened to a shared build.</summary>
    public void Apply(LendingEvent happened)
    {
        if (happened is LendingEvent.BuildOpened opened) homes[opened.Build] = opened.Home;
        if (happened is LendingEvent.BuildClosed closed) homes.Remove(closed.Build);
        if (happened is LendingEvent.LoanEnded ended && lentAt.Remove(ended.Compile, out var since) && ended.End == LoanEnd.Delivered)
        {
            longest = Math.Max(longest, ended.At - since);
            total += ended.At - since;
            delivered++;
        }
        lending.Apply(happened);
    }

    /// <summary>Decides where compiles are done.</summary>
    public void Decide()
    {
        foreach (var decision in lending.Decide()) Carry(decision);
    }

    private void Carry(LendingDecision decision)
    {
        switch (decision)
        {
            case LendingDecision.Prepare d: facts.Do(new RunAction.PrepareHelper(d.Build, facts.Farm[d.Helper], d.Helper)); break;
            case LendingDecision.Home d: facts.Do(new RunAction.CompileHere(d.Compile, KeeperOf(d.Compile), Limit)); break;
            case LendingDecision.Lend d:
                lentAt[d.Compile] = facts.Now;
                facts.Do(new RunAction.Lend(d.Compile, facts.Farm[d.Helper], d.Helper, Limit));
                break;
            case LendingDecision.Recall d:
                lentAt.Remove(d.Compile);
                facts.Do(new RunAction.Recall(d.Compile));
                break;
            case LendingDecision.Begin d when heldUp.Remove((d.Job, d.Builder), out var attempt):
                attempt.IsHeldUp = false;
                facts.Do(new RunAction.LetBegin(attempt));
                break;
            case LendingDecision.Begin: break;
            default: throw new InvalidOperationException($"It was decided {decision}, which the run does not know.");
        }
    }

    /// <summary>
    /// The builder of a build that is to do a compile as a derivation, whose result stays; null: the build itself is to do it.
    /// </summary>
    private RunBuilder? KeeperOf(long compile)
    {
        if (delivered == 0 || total / delivered < WorthKeeping || !homes.TryGetValue(CompileNumber.BuildOf(compile), out var home))
        {
            return null;
        }
        return facts.Farm[home] is { Builder.Policy.ShareMemo: not 0 } keeper ? keeper : null;
    }

    private TimeSpan Limit =>
        longest == 0 ? FirstLimit : TimeSpan.FromSeconds(Math.Max(LeastLimit.TotalSeconds, MostTimesLongest * longest));
}
