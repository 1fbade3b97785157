using System.Management.Automation;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Logs;
using NixBuildFarm.Reporting.Events;

namespace NixBuildFarm.Watching;

/// <summary>
/// <para type="synopsis">Shows a run while it goes on, of whatever session: machines, builds, what waits for what, failures.</para>
/// </summary>
[Cmdlet(VerbsCommon.Watch, "NixBuild")]
[OutputType(typeof(string))]
public sealed class WatchNixBuildCommand : AsyncCommand
{
    /// <summary>The id of the run, or the beginning of it; by default the newest that goes on.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("RunId", "Id")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RunCompleter))]
    public string? Run { get; set; }

    /// <summary>Writes a plain line for each thing that happens: for screen readers. So it does also where there is no terminal.</summary>
    [Parameter]
    public SwitchParameter Plain { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => Await(async (output, cancellation) =>
    {
        var events = RunEvents.Find(Run);
        // A command that takes the lines further gets lines.
        if (Plain || MyInvocation.PipelinePosition < MyInvocation.PipelineLength || !WatchScreen.IsPossible)
        {
            await TellAsync(events, output, cancellation);
            return;
        }
        var screen = new WatchScreen();
        if (!await screen.ShowAsync(events, cancellation)) return;
        var room = new WatchRoom(Console.WindowWidth, Console.WindowHeight);
        foreach (var line in WatchLayout.Of(screen.Run, DateTimeOffset.UtcNow, room)) output.Text(line.Text, "NixBuildWatch");
    });

    private static async Task TellAsync(LogFile events, CommandOutput output, CancellationToken cancellation)
    {
        var run = new WatchedRun();
        await foreach (var text in events.FollowAsync(null, TimeProvider.System, cancellation))
        {
            if (RunEventLine.Parse(text) is not { } line) continue;
            run.Apply(line);
            if (WatchWords.Of(run, line) is { } words) output.Object(words);
            if (run.State is not null) return;
        }
        output.Object("The run was interrupted: its process has ended.");
    }
}
