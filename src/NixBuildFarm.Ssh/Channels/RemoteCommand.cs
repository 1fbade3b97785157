using System.Text;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Text;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Channels;

/// <summary>
/// The command lines that a builder's login shell runs. SSH sends one string, so every word is quoted here, and only here.
/// </summary>
internal static class RemoteCommand
{
    private const string DaemonProgram = "nix-daemon";
    private const string StoreProgram = "nix-store";

    /// <summary>What a channel of some use runs.</summary>
    /// <exception cref="BuilderException">A word cannot be passed through a shell.</exception>
    public static string For(NixBuilder builder, ChannelUse use) => use switch
    {
        ChannelUse.Machine => $"sh -c {Quote(BuilderMachine.Question)}",
        ChannelUse.Closure => Nix(builder, Store(builder), "--serve"),
        _ => Nix(builder, Daemon(builder), "--stdio"),
    };

    /// <summary>What a channel to a program in the store runs.</summary>
    public static string For(StoreProgram program) => $"{Quote(program.Path.ToString())} {Quote(program.Trade)}";

    // What Nix runs for ssh:// is a nix-store; the daemon lies beside it.
    private static IReadOnlyList<string> Daemon(NixBuilder builder)
    {
        var given = builder.RemoteProgram;
        return given.Count == 0 ? [DaemonProgram]
            : Is(given[^1], StoreProgram) ? [.. given.SkipLast(1), given[^1][..^StoreProgram.Length] + DaemonProgram]
            : given;
    }

    private static bool Is(string program, string name) => program == name || program.EndsWith("/" + name, StringComparison.Ordinal);

    /// <summary><c>nix-store</c> from the folder where the builder's <c>nix-daemon</c> is.</summary>
    /// <exception cref="BuilderException">The builder runs something else in place of <c>nix-daemon</c>, and nobody knows where its <c>nix-store</c> is.</exception>
    private static IReadOnlyList<string> Store(NixBuilder builder)
    {
        var daemon = Daemon(builder);
        var program = daemon[^1];
        if (!Is(program, DaemonProgram))
        {
            throw new BuilderException(builder.Name, BuilderFailure.Incompatible, $"Builder {builder.Name}: there is no knowing which nix-store goes with “{TerminalText.Strip(program)}”.");
        }
        return [.. daemon.SkipLast(1), program[..^DaemonProgram.Length] + StoreProgram];
    }

    /// <summary>A program of Nix, with what the builder's <c>remote-store</c> adds to it, as Nix does.</summary>
    /// <exception cref="BuilderException">A word cannot be passed through a shell.</exception>
    private static string Nix(NixBuilder builder, IReadOnlyList<string> program, string option)
    {
        List<string> words = [.. program, option];
        if (builder.RemoteStore is { } store) words.AddRange(["--store", store]);
        if (words.Find(word => word.Any(char.IsControl)) is { } bad)
        {
            throw new BuilderException(
                builder.Name,
                BuilderFailure.Configuration,
                $"Builder {builder.Name}: its remote program or store “{TerminalText.Strip(bad)}” has control characters.",
                $"Correct it where the builder is configured: {builder.Source}.");
        }
        return string.Join(' ', words.Select(Quote));
    }

    /// <summary>
    /// One word for a shell to read back as it is. In single quotes nothing is special but the single quote itself (POSIX
    /// shells) and, in fish, a backslash; both are therefore written outside of them, where all shells read <c>\'</c> and
    /// <c>\\</c> alike.
    /// </summary>
    public static string Quote(string word)
    {
        if (word.Length == 0) return "''";
        if (word.All(IsPlain)) return word;
        var result = new StringBuilder("'");
        foreach (var c in word)
        {
            _ = c is '\'' or '\\' ? result.Append("'\\").Append(c).Append('\'') : result.Append(c);
        }
        return result.Append('\'').ToString();
    }

    private static bool IsPlain(char c) => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '-' or '_' or ':' or '@' or ',' or '+';
}
