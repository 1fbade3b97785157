using System.Management.Automation;
using NixBuildFarm.Hosting;
using NixBuildFarm.Ssh;
using NixBuildFarm.Testing;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Builders;

/// <summary><para type="synopsis">Tests whether builders can be reached, trust you, and match their configuration.</para></summary>
[Cmdlet(VerbsDiagnostic.Test, "NixBuilder")]
[OutputType(typeof(NixBuilderTest), typeof(bool))]
public sealed class TestNixBuilderCommand : AsyncCommand
{
    private readonly List<object> givenBuilders = [];

    /// <summary>The builders to test: objects or names. None: all.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [Alias("Name")]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public object[] Builder { get; set; } = [];

    /// <summary>Writes only whether all of them can be used.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <summary>
    /// Builds something small for each system of each builder: proves that it does, and tells emulated systems from native ones.
    /// </summary>
    [Parameter]
    public SwitchParameter Build { get; set; }

    /// <summary>Seconds that the questions to one builder may take, and then each build.</summary>
    [Parameter]
    [ValidateRange(1, 3600)]
    public int TimeoutSec { get; set; } = 10;

    /// <summary>How many are tested at a time.</summary>
    [Parameter]
    [ValidateRange(1, 1000)]
    public int ThrottleLimit { get; set; } = 16;

    /// <summary>Its password is the passphrase of encrypted private keys.</summary>
    [Parameter]
    [Credential]
    public PSCredential? Credential { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => givenBuilders.AddRange(Builder);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        if (MyInvocation.ExpectingInput && givenBuilders.Count == 0) return;
        Await(TestAsync);
    }

    private async Task TestAsync(CommandOutput output, CancellationToken cancellation)
    {
        var builders = givenBuilders.Count > 0
            ? await BuilderSelection.FromAsync(givenBuilders, output, cancellation)
            : await ConfiguredBuilders.ReadAsync(output, cancellation);
        var transports = SessionTransports.With(Credential, new BuilderTransports(new SshTransportFactory()));
        var limit = TimeSpan.FromSeconds(TimeoutSec);
        var options = new TransportOptions { ConnectTimeout = limit, IsConnectTimeoutFirm = true, Verbose = output.Verbose };
        var allUsable = true;
        await Parallel.ForEachAsync(
            builders,
            new ParallelOptions { MaxDegreeOfParallelism = ThrottleLimit, CancellationToken = cancellation },
            async (builder, stop) =>
            {
                await using var transport = transports.Create(builder, options);
                var test = await BuilderTester.TestAsync(builder, transport, limit, Build, stop);
                if (!test.Success) Volatile.Write(ref allUsable, false);
                if (!Quiet) output.Object(test);
            });
        if (Quiet) output.Object(allUsable);
    }
}
