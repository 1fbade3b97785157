using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Logs;
using NixBuildFarm.Observing;
using NixBuildFarm.Text;

namespace NixBuildFarm.Building;

/// <summary>
/// Writes, in place of progress, a plain line for each ended build into the log of a CI system, and the end of the log of each failed one,
/// in a group that can be opened if the system has such.
/// </summary>
internal sealed class CiObserver(CommandOutput output, TimeProvider time) : IBuildObserver
{
    /// <summary>The tag of its lines in the information stream.</summary>
    public const string Tag = "NixBuildLine";

    /// <summary>More than the error shows: a group is closed until a reader opens it.</summary>
    private const int LogLines = 200;

    private readonly GroupStyle style =
        CiSystem.Is("GITHUB_ACTIONS") ? GroupStyle.GitHub : CiSystem.Is("GITLAB_CI") ? GroupStyle.GitLab : GroupStyle.None;

    private RunProgress? latest;
    private int ended;
    private int groups;

    private enum GroupStyle
    {
        None,
        GitHub,
        GitLab,
    }

    public void Observe(RunNews news)
    {
        switch (news)
        {
            case RunNews.Ended(var result): End(result); break;
            case RunNews.Progressed(var progress): latest = progress; break;
            // The rest is in warnings, errors and verbose text of the command, and lines of builds come on request.
        }
    }

    private void End(NixBuildResult result)
    {
        // Derivations that were valid already are not counted.
        if (result.Status != NixBuildStatus.AlreadyValid) ended++;
        var place = result.Builder is { } builder ? $" on {builder}" : "";
        var span = result.Duration > TimeSpan.Zero ? $" in {HumanText.Span(result.Duration)}" : "";
        output.Text($"{Count()}{result.Status} {result.Name}{place}{span}", Tag);
        if (result.LogTail.Count == 0 || result.Success) return;
        var title = $"The end of the log of {result.Name}";
        Say(style switch
        {
            GroupStyle.GitHub => $"::group::{title}",
            GroupStyle.GitLab => $"\e[0Ksection_start:{UnixTime()}:nixbuild_{++groups}[collapsed=false]\r\e[0K{title}",
            _ => $"{title}:",
        });
        // A line of a build could begin as a command of the CI system does.
        foreach (var line in LogFile.TailOf(result.LogPath, LogLines)) output.Text($"  > {TerminalText.Strip(line)}", Tag);
        if (style == GroupStyle.GitHub) Say("::endgroup::");
        if (style == GroupStyle.GitLab) Say($"\e[0Ksection_end:{UnixTime()}:nixbuild_{groups}\r\e[0K");
    }

    private void Say(string text) => output.Text(text, Tag);

    private long UnixTime() => time.GetUtcNow().ToUnixTimeSeconds();

    private string Count() =>
        ended > 0 && latest is { Total: > 0 } progress ? $"[{Math.Min(ended, progress.Total)}/{progress.Total}] " : "";
}
