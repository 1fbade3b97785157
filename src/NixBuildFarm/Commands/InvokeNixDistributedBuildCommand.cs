using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Completers;
using NixBuildFarm.History;
using NixBuildFarm.Planning;
using NixBuildFarm.Running;
using NixBuildFarm.Ssh;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Commands;

/// <summary>
/// <para type="synopsis">Builds Nix derivations on the builders that are given, the local machine among them as an equal.</para>
/// </summary>
[Cmdlet(VerbsLifecycle.Invoke, "NixDistributedBuild", DefaultParameterSetName = InstallableSet, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(NixBuildResult), typeof(NixBuildPlan))]
public sealed class InvokeNixDistributedBuildCommand : DerivationCommand
{
    private readonly List<object> givenBuilders = [];

    /// <summary>The builders of this build: objects or names. None: all that are enabled.</summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public object[] Builder { get; set; } = [];

    /// <summary>Names of builders that shall not take part; wildcards are allowed.</summary>
    [Parameter]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public string[] ExcludeBuilder { get; set; } = [];

    /// <summary>The local machine does not build; outputs still come home to it.</summary>
    [Parameter]
    public SwitchParameter NoLocal { get; set; }

    /// <summary>Where links to the requested outputs are made, e.g. <c>result</c>.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? OutLink { get; set; }

    /// <summary>After a failure, goes on with what does not depend on it.</summary>
    [Parameter]
    public SwitchParameter KeepGoing { get; set; }

    /// <summary>How often a derivation is tried when builders are the trouble. A build that fails by itself is not repeated.</summary>
    [Parameter]
    [ValidateRange(1, 100)]
    public int Retry { get; set; } = 3;

    /// <summary>Ends a build that prints nothing for this long.</summary>
    [Parameter]
    [ValidateLimit]
    public TimeSpan? MaxSilentTime { get; set; }

    /// <summary>Ends a build that takes longer.</summary>
    [Parameter]
    [ValidateLimit]
    public TimeSpan? Timeout { get; set; }

    /// <summary>Cores for each build; 0: all of its machine. Without it, the cores of a machine are shared out.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int? Cores { get; set; }

    /// <summary>Which outputs come home: all, the requested ones, or none.</summary>
    [Parameter]
    public CopyBack CopyBack { get; set; } = CopyBack.All;

    /// <summary>Bytes per second that may leave this machine, for all builders together.</summary>
    [Parameter]
    [ValidateRange(1, long.MaxValue)]
    public long? MaxUpload { get; set; }

    /// <summary>Starts what is late and holds up the rest a second time, on a machine that is idle; the first result counts.</summary>
    [Parameter]
    public SwitchParameter Hedge { get; set; }

    /// <summary>The folder for the logs of this build.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? LogPath { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => givenBuilders.AddRange(Builder);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // A pipeline that was meant to give builders and gave none must not turn into a build on all of them.
        if (MyInvocation.ExpectingInput && givenBuilders.Count == 0)
        {
            ThrowTerminatingError(new NixBuildFarmException(
                "NoBuilder", "No builder came down the pipeline, so there is nothing to build on.", "Look at what Get-NixBuilder and your filter give.").ToErrorRecord());
        }

        var question = $"Performing the operation \"Build\" on target \"{string.Join(", ", Named)}\".";
        if (ShouldProcess(question, $"Are you sure you want to perform this action?\n{question}", "Confirm", out var refusal)) Await(BuildAsync);
        else if (refusal == ShouldProcessReason.WhatIf) Await(PlanAsync);
    }

    private async Task BuildAsync(CommandOutput output, CancellationToken cancellation)
    {
        var request = await RequestAsync(output, cancellation);
        var observer = new PipelineObserver(output);
        using var history = new SqliteHistory(SqliteHistory.DefaultFile);
        try
        {
            await new BuildRun(request, new BuilderTransports(new SshTransportFactory()), history, observer).RunAsync(cancellation);
        }
        finally
        {
            observer.Complete();
        }
    }

    private async Task PlanAsync(CommandOutput output, CancellationToken cancellation)
    {
        var request = await RequestAsync(output, cancellation);
        using var history = KnownHistory.Open();
        var plan = await new BuildPlanner(request, new BuilderTransports(new SshTransportFactory()), history.Store, new PipelineObserver(output)).PlanAsync(cancellation);
        foreach (var step in plan) output.Object(step);
    }

    private async Task<BuildRequest> RequestAsync(CommandOutput output, CancellationToken cancellation)
    {
        var settings = NixConfiguration.ReadAsync(cancellation);
        return new()
        {
            Builders = await SelectAsync(output, cancellation),
            Requested = await ResolveAsync(cancellation),
            Named = [.. Named],
            KeepGoing = KeepGoing,
            MaxAttempts = Retry,
            MaxSilentTime = MaxSilentTime,
            Timeout = Timeout,
            Cores = Cores,
            Hedge = Hedge,
            CopyBack = CopyBack,
            MaxUpload = MaxUpload,
            OutLink = OutLink is null ? null : GetUnresolvedProviderPathFromPSPath(OutLink),
            LogFolder = LogPath is null ? null : GetUnresolvedProviderPathFromPSPath(LogPath),
            BuildersUseSubstitutes = (await settings).BuildersUseSubstitutes,
        };
    }

    private async Task<IReadOnlyList<NixBuilder>> SelectAsync(CommandOutput output, CancellationToken cancellation)
    {
        var selected = givenBuilders.Count > 0
            ? await BuilderSelection.FromAsync(givenBuilders, output, cancellation)
            : (await ConfiguredBuilders.ReadAsync(output, cancellation)).Where(builder => builder.Enabled);
        var excluded = ExcludeBuilder.Select(name => WildcardPattern.Get(name, WildcardOptions.IgnoreCase)).ToArray();
        NixBuilder[] builders = [.. selected.Where(builder => !(NoLocal && builder.IsLocal) && !excluded.Any(pattern => pattern.IsMatch(builder.Name)))];
        return builders.Length > 0
            ? builders
            : throw new NixBuildFarmException("NoBuilder", "No builder is left for this build.", "Look at what Get-NixBuilder gives, and at -ExcludeBuilder and -NoLocal.");
    }
}
