using System.Text.RegularExpressions;
using NixBuildFarm.Builders;
using NixBuildFarm.Platform;
using NixBuildFarm.Store;

namespace NixBuildFarm.Evaluation;

/// <summary>How Nix evaluates.</summary>
public sealed partial record EvaluationOptions
{
    /// <summary>The folder that <c>.</c> means; empty: that of the process.</summary>
    public string WorkingDirectory { get; init; } = "";

    /// <summary>Whether flakes and expressions may look at files and variables of this machine (<c>--impure</c>).</summary>
    public bool IsImpure { get; init; }

    /// <summary>Inputs of a flake that are replaced (<c>--override-input</c>): flake references by name.</summary>
    public IReadOnlyDictionary<string, string> OverrideInputs { get; init; } = new Dictionary<string, string>();

    /// <summary>What becomes of a flake's lock file.</summary>
    public LockFileMode LockFile { get; init; }

    /// <summary>Settings of nix.conf for this evaluation (<c>--option</c>).</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// The builders for derivations that the evaluation needs (import from derivation), beside this machine; null: those that Nix is
    /// configured with.
    /// </summary>
    public IReadOnlyList<NixBuilder>? Builders { get; init; }

    /// <summary>
    /// The systems that are wanted; empty: all. Of a set by system they are what counts. What does not say for which system it is, such as
    /// <c>nixpkgs#hello</c>, is evaluated for this machine's, or for the first of these where that is none of them.
    /// </summary>
    public IReadOnlyList<string> Systems { get; init; } = [];

    /// <summary>Whether all that is evaluated says itself for which system it is.</summary>
    public bool NamesSystem { get; init; }

    /// <summary>Receives Nix's messages. Called from any thread, one call at a time.</summary>
    public Action<EvaluationMessage>? Heard { get; init; }

    /// <summary>The system that Nix evaluates for where it is not this machine's, or what the settings say; null: it is.</summary>
    public string? OtherSystem =>
        NamesSystem || Systems.Count == 0 || Systems.Contains(OwnSystem.Name) || Settings.ContainsKey("system") ? null : Systems[0];

    /// <summary>The systems of those builders that take builds: one that is drained, or has no slot, builds nothing.</summary>
    public static IReadOnlyList<string> SystemsOf(IEnumerable<NixBuilder> builders) =>
    [
        .. builders.Where(builder => builder is { MaxJobs: > 0, Policy.Drain: not true }).SelectMany(builder => builder.Systems).Distinct(),
    ];

    /// <summary>
    /// Whether an installable says for which system it is: one of the names behind <c>#</c> is a system, as in
    /// <c>.#packages.riscv64-linux.hello</c>, or it is a path of the store.
    /// </summary>
    public static bool NamesSystemIn(string installable) =>
        StorePath.TryParse(installable.Split('^', '!')[0], out _) || SystemName().IsMatch(installable);

    /// <summary>The words that every evaluating program of Nix takes.</summary>
    internal IEnumerable<string> Words
    {
        get
        {
            if (Builders is { } builders)
            {
                foreach (var word in (string[])["--option", "builders", EvaluationBuilders.Setting(builders)]) yield return word;
            }
            if (OtherSystem is { } system)
            {
                // Nix takes this machine to be of that system then. It still builds for its own what the evaluation itself needs built.
                foreach (var word in (string[])["--option", "system", system, "--option", "extra-extra-platforms", OwnSystem.Name])
                {
                    yield return word;
                }
            }
            foreach (var (name, value) in Settings) foreach (var word in (string[])["--option", name, value]) yield return word;
        }
    }

    [GeneratedRegex(
        @"#(.*\.)?""?[a-z0-9_]+-(linux|darwin|freebsd)""?(\.|\^|\z)", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex SystemName();
}
