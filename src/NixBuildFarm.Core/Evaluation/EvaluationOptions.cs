using NixBuildFarm.Builders;

namespace NixBuildFarm.Evaluation;

/// <summary>How Nix evaluates.</summary>
public sealed record EvaluationOptions
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

    /// <summary>Of a set by system, the systems that are wanted; empty: all.</summary>
    public IReadOnlyCollection<string> Systems { get; init; } = [];

    /// <summary>Receives Nix's messages. Called from any thread, one call at a time.</summary>
    public Action<EvaluationMessage>? Heard { get; init; }

    /// <summary>The words that every evaluating program of Nix takes.</summary>
    internal IEnumerable<string> Words
    {
        get
        {
            if (Builders is { } builders)
            {
                foreach (var word in (string[])["--option", "builders", EvaluationBuilders.Setting(builders)]) yield return word;
            }
            foreach (var (name, value) in Settings) foreach (var word in (string[])["--option", name, value]) yield return word;
        }
    }
}
