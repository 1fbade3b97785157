using System.Globalization;
using NixBuildFarm.Text;

namespace NixBuildFarm.Builders;

/// <summary>Who holds a slot of a builder.</summary>
/// <param name="Slot">The slot, from 1 on.</param>
/// <param name="User">The login on the builder: the owner of the file that says so.</param>
/// <param name="Host">The machine that the login comes from, as it calls itself.</param>
/// <param name="Run">The run, as it calls itself.</param>
/// <param name="Since">When it was taken.</param>
public sealed record SlotHolder(int Slot, string User, string Host, string Run, DateTimeOffset Since)
{
    /// <summary>
    /// The script that asks, made as <see cref="SlotScript.Text"/> is. It opens no file but those whose lock shows that a holder lives.
    /// </summary>
    internal const string Question =
        BuilderMachine.FindPrograms + "exec 2>/dev/null; "
        + "d=" + SlotScript.Folder + "; c=0; echo now $(date +%s); "
        + "for f in $d/held,*; do c=$((c + 1)); [ $c -le 1000 ] || break; "
        + "case $f in *[!A-Za-z0-9_.,/-]*) continue ;; esac; "
        + "p=${f#*,*,}; p=${p%%,*}; [ -f $d/life,$p ] || continue; [ -L $d/life,$p ] && continue; "
        + "{ flock -n -s 9 && continue; } 9<$d/life,$p; "
        + "echo held $(date -r $f +%s) $(ls -ld $f); "
        + "done; exit 0";

    private const int LongestLine = 512, LongestWord = 64;

    /// <summary>The number of the holder's <see cref="SlotScript"/> on the builder.</summary>
    internal long Script { get; private init; }

    /// <summary>The login, its machine and its run.</summary>
    public override string ToString() => $"{User} from {Host}, run {Run}";

    /// <summary>Whether this is who is named so by <see cref="NameOf"/>.</summary>
    internal bool IsCalled(string name) => $"{Host},{Run}" == name;

    /// <summary>Names who asks for slots, as <see cref="SlotScript.Text"/> takes it.</summary>
    internal static string NameOf(string host, string run) => $"{Word(host)},{Word(run)}";

    /// <summary>Reads an answer; lines that are not of it are passed over.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="now">When it came: the builder's clock may be another one.</param>
    internal static IReadOnlyList<SlotHolder> Parse(string answer, DateTimeOffset now)
    {
        long? there = null;
        var newest = new SortedDictionary<int, SlotHolder>();
        foreach (var line in answer.Split('\n').Where(line => line.Length <= LongestLine))
        {
            var words = line.Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["now", var moment]) there = Number(moment);
            if (there is not { } present || words is not ["held", var taken, _, _, var user, .., var path]) continue;
            if (Number(taken) is not { } then) continue;
            if (path[(path.LastIndexOf('/') + 1)..].Split(',') is not [_, var number, var script, var host, var run]) continue;
            if (Number(script) is not { } asks || Number(number) is not { } slot || slot is < 1 or > SlotScript.Most) continue;
            var holder = new SlotHolder(
                (int)slot, TerminalText.Strip(user), TerminalText.Strip(host), TerminalText.Strip(run),
                now - TimeSpan.FromSeconds(Math.Clamp(present - then, 0, int.MaxValue)))
            {
                Script = asks,
            };
            if (!newest.TryGetValue(holder.Slot, out var other) || other.Since < holder.Since) newest[holder.Slot] = holder;
        }
        return [.. newest.Values];
    }

    private static long? Number(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static string Word(string text)
    {
        var plain = string.Concat(text.Where(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-').Take(LongestWord));
        return plain.Length > 0 ? plain : "unknown";
    }
}
