using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Hosting;
using NixBuildFarm.Logs;
using NixBuildFarm.Store;
using NixBuildFarm.Text;

namespace NixBuildFarm.History;

/// <summary><para type="synopsis">Shows the output of a build, or follows it.</para></summary>
[Cmdlet(VerbsCommon.Get, "NixBuildLog", DefaultParameterSetName = NameSet)]
[OutputType(typeof(string))]
public sealed class GetNixBuildLogCommand : AsyncCommand
{
    private const string NameSet = "Name";
    private const string DerivationSet = "DerivationPath";
    private const string ResultSet = "InputObject";
    private const int NamesInError = 5;

    private readonly List<PSObject> results = [];

    /// <summary>
    /// Names of derivations, with wildcards. The logs are those of the newest run that has such a name, which may still be going on.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = NameSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(LogNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>Paths of derivations.</summary>
    [Parameter(Mandatory = true, ParameterSetName = DerivationSet)]
    [ValidateNotNullOrEmpty]
    public string[] DerivationPath { get; set; } = [];

    /// <summary>Results of builds, also such as come from a job or a file.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ResultSet, ValueFromPipeline = true)]
    [ValidateNotNull]
    public PSObject[] InputObject { get; set; } = [];

    /// <summary>The id of the run that is meant, or the beginning of it; by default the newest that has such a log.</summary>
    [Parameter(ParameterSetName = NameSet)]
    [Parameter(ParameterSetName = DerivationSet)]
    [Alias("RunId", "Id")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RunCompleter))]
    public string? Run { get; set; }

    /// <summary>The last so many lines.</summary>
    [Parameter]
    [Alias("Last")]
    [ValidateRange(0, int.MaxValue)]
    public int? Tail { get; set; }

    /// <summary>Follows the log until the build has ended.</summary>
    [Parameter]
    public SwitchParameter Wait { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == ResultSet) results.AddRange(InputObject);
    }

    /// <inheritdoc/>
    protected override void EndProcessing() => Await(async (output, cancellation) =>
    {
        LogFile[] logs;
        using (var history = ReadOnlyHistory.Open())
        {
            logs = [.. Find(new LogArchive(history.Store, LogArchive.DefaultFolder), output).DistinctBy(log => log.Path)];
        }
        if (Wait && logs.Length > 1)
        {
            var names = string.Join(", ", logs.Take(NamesInError).Select(log => log.Name));
            throw new NixBuildFarmException(
                "SeveralLogs",
                $"-Wait follows one log, and {logs.Length} are meant: {names}{(logs.Length > NamesInError ? ", …" : "")}.",
                "Name one of them.");
        }
        foreach (var log in logs)
        {
            // As tail does it.
            if (logs.Length > 1) output.Object($"==> {log.Name} <==");
            await WriteAsync(log, output, cancellation);
        }
    });

    private IEnumerable<LogFile> Find(LogArchive archive, CommandOutput output) => ParameterSetName switch
    {
        ResultSet => results.SelectMany(result => OfResult(result, archive, output)),
        DerivationSet =>
            InstallableResolver.ResolveDerivations(DerivationPath)
                .Select(requested => requested.Derivation)
                .SelectMany(path => Known(archive.Of(path, Run), path.Name, archive, output)),
        _ => Name.SelectMany(name => Known(archive.Named(name, Run), name, archive, output)),
    };

    private static IEnumerable<LogFile> OfResult(PSObject item, LogArchive archive, CommandOutput output)
    {
        if (ResultReference.From(item) is not { } result)
        {
            output.Error(
                new NixBuildFarmException(
                    "InvalidResult",
                    $"“{item}” is no result of a build.",
                    "Give what Invoke-NixDistributedBuild or Get-NixBuild -Result gives, or a name with -Name."),
                item);
            return [];
        }
        if (result.LogPath is { } path && File.Exists(path)) return [new LogFile(path, result.Name, result.RunId)];
        var why = result.LogPath is { } gone
            ? $"The log of {result.Name} is not there any more: {gone}"
            : $"{result.Name} was not built in this run ({result.Status}), so it has no log.";
        var another = archive.Of(StorePath.Parse(result.DerivationPath)).Count > 0
            ? $"Get-NixBuildLog -DerivationPath {result.DerivationPath} shows the log of another run."
            : null;
        output.Error(new NixBuildFarmException("LogNotFound", why, another), item);
        return [];
    }

    private static IReadOnlyList<LogFile> Known(IReadOnlyList<LogFile> found, string name, LogArchive archive, CommandOutput output)
    {
        if (found.Count > 0 || WildcardPattern.ContainsWildcardCharacters(name)) return found;
        var close = CloseNames.To(name, archive.Recent().Select(log => log.Name));
        var recommendation = close.Count > 0
            ? $"Did you mean {string.Join(" or ", close)}?"
            : "Names have their version: gcc-14.3.0, or gcc-*.";
        output.Error(new NixBuildFarmException("LogNotFound", $"There is no log of {name}.", recommendation), name);
        return found;
    }

    private async Task WriteAsync(LogFile log, CommandOutput output, CancellationToken cancellation)
    {
        try
        {
            if (Wait)
            {
                await foreach (
                    var line in log.FollowAsync(Tail, TimeProvider.System, cancellation)) output.Object(TerminalText.Strip(line));
                return;
            }
            foreach (var line in log.Lines(Tail))
            {
                cancellation.ThrowIfCancellationRequested();
                output.Object(TerminalText.Strip(line));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            output.Error(
                new NixBuildFarmException("LogNotReadable", $"The log {log.Path} cannot be read: {e.Message}", inner: e), log.Path);
        }
    }
}
