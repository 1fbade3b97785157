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

    /// <summary>The store that Nix chooses by itself; the setting is one of connections to a daemon.</summary>
    private const string AnewForEachRequest = "auto?max-connection-age=0";

    /// <summary>The command of a channel for some use.</summary>
    /// <exception cref="BuilderException">A word cannot be passed through a shell.</exception>
    public static string For(NixBuilder builder, ChannelUse use) => use switch
    {
        _ when ShellScript.Of(use) is { } script => $"sh -c {Quote(script)}",
        ChannelUse.Closure => Nix(builder, Store(builder), "--serve", builder.RemoteStore),
        ChannelUse.PassedOnBuild => Nix(builder, Daemon(builder), "--stdio", AnewForEachRequest),
        _ => Nix(builder, Daemon(builder), "--stdio", builder.RemoteStore),
    };

    /// <summary>What a channel to a program in the store runs.</summary>
    public static string For(StoreProgram program) => $"{Quote(program.Path.ToString())} {Quote(program.Trade)}";

    // Nix runs nix-store for ssh://; the daemon is beside it.
    private static IReadOnlyList<string> Daemon(NixBuilder builder)
    {
        var given = builder.RemoteProgram;
        return given.Count == 0 ? [DaemonProgram]
            : Is(given[^1], StoreProgram) ? [.. given.SkipLast(1), given[^1][..^StoreProgram.Length] + DaemonProgram]
            : given;
    }

    private static bool Is(string program, string name) => program == name || program.EndsWith("/" + name, StringComparison.Ordinal);

    /// <summary><c>nix-store</c> from the folder where the builder's <c>nix-daemon</c> is.</summary>
    /// <exception cref="BuilderException">
    /// The builder runs another program instead of <c>nix-daemon</c>, so its <c>nix-store</c> is unknown.
    /// </exception>
    private static IReadOnlyList<string> Store(NixBuilder builder)
    {
        var daemon = Daemon(builder);
        var program = daemon[^1];
        if (!Is(program, DaemonProgram))
        {
            throw new BuilderException(
                builder.Name,
                BuilderFailure.Incompatible,
                $"Builder {builder.Name}: the nix-store that belongs to “{TerminalText.Strip(program)}” is unknown.");
        }
        return [.. daemon.SkipLast(1), program[..^DaemonProgram.Length] + StoreProgram];
    }

    /// <summary>A program of Nix, for a store of the builder, or that which it chooses, as Nix runs it.</summary>
    /// <exception cref="BuilderException">A word cannot be passed through a shell.</exception>
    private static string Nix(NixBuilder builder, IReadOnlyList<string> program, string option, string? store)
    {
        List<string> words = [.. program, option];
        if (store is not null) words.AddRange(["--store", store]);
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
