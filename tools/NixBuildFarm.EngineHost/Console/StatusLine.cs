using System.Management.Automation;

namespace NixBuildFarm.EngineHost.Console;

/// <summary>Progress in one line at the bottom of a terminal; everything else that is written scrolls above it.</summary>
internal sealed class StatusLine(TextWriter terminal, Func<int> width)
{
    private const string ClearLine = "\r\e[K";
    private string shown = "";

    /// <summary>Shows the outermost activity; the activities inside it are counted by its own text.</summary>
    public void Show(ProgressRecord record)
    {
        if (record.ParentActivityId >= 0) return;
        shown = record.RecordType == ProgressRecordType.Completed ? "" : Render(record);
        terminal.Write(ClearLine + shown);
    }

    /// <summary>Takes the line away: a script that was stopped cannot say that its work is done.</summary>
    public void Clear()
    {
        if (shown == "") return;
        shown = "";
        terminal.Write(ClearLine);
    }

    /// <summary>Takes the line away, lets <paramref name="write"/> write, and puts it back.</summary>
    public void Around(Action write, bool endsLine)
    {
        if (shown == "")
        {
            write();
            return;
        }
        terminal.Write(ClearLine);
        write();
        if (endsLine) terminal.Write(shown);
    }

    private string Render(ProgressRecord record)
    {
        var percent = record.PercentComplete >= 0 ? $" {record.PercentComplete} %" : "";
        var remaining = record.SecondsRemaining >= 0 ? $", {TimeSpan.FromSeconds(record.SecondsRemaining):m\\:ss} left" : "";
        var line = $"{record.Activity}{percent}: {record.StatusDescription}{remaining}".ReplaceLineEndings(" ");
        var room = Math.Max(width() - 1, 1);
        return line.Length <= room ? line : line[..room];
    }
}
