using NixBuildFarm.Errors;
using NixBuildFarm.Store;
using NixBuildFarm.Text;

namespace NixBuildFarm.Protocol;

/// <summary>
/// A daemon refused a request or failed at it, and said why. Unless <see cref="DaemonConnection.IsBroken"/> says otherwise, the
/// connection can be used further.
/// </summary>
internal sealed class DaemonException : NixBuildFarmException
{
    /// <summary>Makes an error of what a daemon said.</summary>
    /// <param name="builder">The builder whose daemon it is.</param>
    /// <param name="text">What it said; terminal control is taken out.</param>
    /// <param name="level">How bad it finds it.</param>
    /// <param name="traces">What it was doing, innermost first; terminal control is taken out.</param>
    public DaemonException(string builder, string text, Verbosity level = Verbosity.Error, IEnumerable<string>? traces = null)
        : base("DaemonError", $"{builder}: {TerminalText.Strip(text).Trim()}")
    {
        Builder = builder;
        Text = TerminalText.Strip(text).Trim();
        Level = level;
        Traces = traces is null ? [] : [.. traces.Select(TerminalText.Strip)];
    }

    /// <summary>The builder whose daemon it is.</summary>
    public string Builder { get; }

    /// <summary>What the daemon said, without the builder's name before it.</summary>
    public string Text { get; }

    /// <summary>How bad it finds it.</summary>
    public Verbosity Level { get; }

    /// <summary>What it was doing, innermost first.</summary>
    public IReadOnlyList<string> Traces { get; }

    /// <summary>The path that it did not take; null where that is not what it refused.</summary>
    public StorePath? Refused { get; internal set; }

    /// <summary>
    /// Whether it did not take a path since its content is not what was announced, rather than for reasons of its own.
    /// [LocalStore::addToStore in src/libstore/local-store.cc of NixOS/nix]
    /// </summary>
    public bool RefusesContent => Refused is not null
        && (Text.Contains("hash mismatch importing path", StringComparison.Ordinal)
            || Text.Contains("claims to be content-addressed but isn't", StringComparison.Ordinal));

    /// <summary>The connection on which it was said, for that connection to tell its own daemon's errors from those of another.</summary>
    internal DaemonConnection? Connection { get; init; }
}
