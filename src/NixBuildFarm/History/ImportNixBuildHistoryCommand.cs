using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Running;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Ssh;
using NixBuildFarm.Transport;

namespace NixBuildFarm.History;

/// <summary><para type="synopsis">Takes over what others know of the durations of builds.</para></summary>
[Cmdlet(VerbsData.Import, "NixBuildHistory", DefaultParameterSetName = FileSet, SupportsShouldProcess = true)]
[OutputType(typeof(NixBuildHistoryImport))]
public sealed class ImportNixBuildHistoryCommand : AsyncCommand
{
    private const string FileSet = "File";
    private const string BuilderSet = "Builder";

    private readonly List<object> givenBuilders = [];
    private readonly List<string> files = [];

    /// <summary>
    /// Files of nix-output-monitor (<c>build-reports.csv</c>), or histories of other users (<c>history.db</c>). None: that of
    /// nix-output-monitor where it is usually.
    /// </summary>
    [Parameter(Position = 0, ParameterSetName = FileSet)]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>Builders whose logs of builds are read: objects or names.</summary>
    [Parameter(Mandatory = true, ParameterSetName = BuilderSet, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public object[] Builder { get; set; } = [];

    /// <summary>Its password is the passphrase of encrypted private keys.</summary>
    [Parameter(ParameterSetName = BuilderSet)]
    [Credential]
    public PSCredential? Credential { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        givenBuilders.AddRange(Builder);
        files.AddRange(Path.Select(this.FileOf));
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        if (ParameterSetName == BuilderSet)
        {
            ImportLogs();
            return;
        }
        if (files.Count == 0) files.Add(ForeignBuilds.ReportFile);
        IReadOnlyList<NixBuilder> known = [];
        Await(async (output, cancellation) => known = await ConfiguredBuilders.ReadAsync(output, cancellation));
        foreach (var file in files.Where(file => ShouldProcess(file, "Import builds")))
        {
            Await((output, _) =>
            {
                var (source, builds) = Read(file, known);
                output.Object(Import(source, file, builds));
                return Task.CompletedTask;
            });
        }
    }

    private void ImportLogs()
    {
        IReadOnlyList<NixBuilder> builders = [];
        Await(async (output, cancellation) => builders = await BuilderSelection.FromAsync(givenBuilders, output, cancellation));
        NixBuilder[] chosen = [.. builders.Where(builder => ShouldProcess(builder.Name, "Import builds from its logs"))];
        var transports = SessionTransports.With(Credential, new BuilderTransports(new SshTransportFactory()));
        Await((output, cancellation) => Parallel.ForEachAsync(chosen, cancellation, async (builder, stop) =>
        {
            await using var transport = transports.Create(builder, new TransportOptions { Verbose = output.Verbose });
            if (await ForeignBuilds.LoggedAsync(builder, transport, stop) is { } builds)
            {
                output.Object(Import(EstimateSource.NixLog, builder.Name, builds));
                return;
            }
            output.Error(
                new NixBuildFarmException(
                    "LogsNotTold",
                    $"{builder.Name} does not tell of its builds: it cannot be reached, or its login runs nothing but Nix.",
                    $"Test-NixBuilder {builder.Name} says more."),
                builder);
        }));
    }

    private static (EstimateSource Source, IReadOnlyList<BuildObservation> Builds) Read(string file, IReadOnlyList<NixBuilder> known)
    {
        if (ForeignBuilds.Reported(file, known) is { } reported) return (EstimateSource.NixOutputMonitor, reported);
        if (System.IO.Path.GetFullPath(file) == System.IO.Path.GetFullPath(SqliteHistory.DefaultFile))
        {
            throw new NixBuildFarmException(
                "OwnHistory", $"{file} is your own history.", "Name the history of another user, or a copy of it.");
        }
        return (EstimateSource.OtherHistory, ForeignHistory.BuildsOf(file));
    }

    private static NixBuildHistoryImport Import(EstimateSource source, string from, IReadOnlyList<BuildObservation> builds)
    {
        using var history = new SqliteHistory(SqliteHistory.DefaultFile);
        return new() { Source = source, From = from, Found = builds.Count, Imported = history.Import(builds) };
    }
}
