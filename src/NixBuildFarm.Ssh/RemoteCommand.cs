using System.Text;
using NixBuildFarm.Builders;
using NixBuildFarm.Protocol;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh;

/// <summary>
/// The command lines that a builder's login shell runs. SSH sends one string, so every word is quoted here, and only here.
/// </summary>
internal static class RemoteCommand
{
    /// <summary>What a channel of some use runs.</summary>
    /// <exception cref="BuilderException">A word cannot be passed through a shell.</exception>
    public static string For(NixBuilder builder, ChannelUse use) =>
        use == ChannelUse.Machine ? $"sh -c {Quote(BuilderMachine.Question)}" : Daemon(builder);

    /// <summary>
    /// <c>nix-daemon --stdio</c>, or what the builder's <c>remote-program</c> and <c>remote-store</c> make of it, as Nix does.
    /// </summary>
    /// <exception cref="BuilderException">A word cannot be passed through a shell.</exception>
    private static string Daemon(NixBuilder builder)
    {
        List<string> words = [.. builder.RemoteProgram.Count > 0 ? builder.RemoteProgram : ["nix-daemon"], "--stdio"];
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
