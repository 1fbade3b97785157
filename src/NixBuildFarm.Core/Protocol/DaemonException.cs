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
    private const string HashMismatch = "hash mismatch importing path";

    /// <summary>Makes the error of a daemon's message.</summary>
    /// <param name="builder">The builder whose daemon it is.</param>
    /// <param name="text">The message; terminal control is removed.</param>
    /// <param name="level">How bad it finds it.</param>
    /// <param name="traces">The context, innermost first; terminal control is removed.</param>
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

    /// <summary>The daemon's message, without the builder's name.</summary>
    public string Text { get; }

    /// <summary>How bad it finds it.</summary>
    public Verbosity Level { get; }

    /// <summary>The context, innermost first.</summary>
    public IReadOnlyList<string> Traces { get; }

    /// <summary>The path that it refused; null for other errors.</summary>
    public StorePath? Refused { get; internal set; }

    /// <summary>
    /// Whether it refused a path because its NAR is not the announced one. [LocalStore::addToStore in src/libstore/local-store.cc of
    /// NixOS/nix]
    /// </summary>
    public bool RefusesNar => !RefusesContent && Refused is not null && Text.Contains(HashMismatch, StringComparison.Ordinal);

    /// <summary>Whether it refused a path because the contents are not those of its content address.</summary>
    public bool RefusesContent => Refused is not null
        && (Text.Contains($"ca {HashMismatch}", StringComparison.Ordinal)
            || Text.Contains("claims to be content-addressed but isn't", StringComparison.Ordinal));

    /// <summary>The connection on which it was said, for that connection to tell its own daemon's errors from those of another.</summary>
    internal DaemonConnection? Connection { get; init; }
}
