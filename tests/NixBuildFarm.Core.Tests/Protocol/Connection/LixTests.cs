using NixBuildFarm.Deciding;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Protocol.Connection;

/// <summary>
/// What differs with Lix, by its sources: it stays at version 1.35 of the protocol, and knows no content-addressed derivations any more.
/// [lix/libstore/worker-protocol.hh and daemon.cc of lix-project/lix]
/// </summary>
public class LixTests
{
    private const string OwnVersion = "2.95.3";

    private const string Refusal =
        "a 'riscv64-linux' with features {gem} is required to build '/nix/store/…-x.drv', but I am a 'x86_64-linux' with features "
            + "{benchmark, kvm}\n\nHint: the failing derivation has allowSubstitutes set to false, forcing it to be built rather than "
            + "substituted.\nPassing --always-allow-substitutes to force substitution may resolve this failure if the path is available "
            + "in a substituter.";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Its_version_has_trust_and_neither_processor_times_nor_features()
    {
        var daemon = Lix(build => new()
        {
            Status = BuildStatus.Built,
            StartTime = DateTimeOffset.UnixEpoch.AddSeconds(10),
            StopTime = DateTimeOffset.UnixEpoch.AddSeconds(15),
            CpuUser = TimeSpan.FromSeconds(4),
            BuiltOutputs = new Dictionary<string, StorePath> { ["out"] = FakeStore.PathOf("x"), ["dev"] = FakeStore.PathOf("x-dev") },
        });
        await using var connection = await daemon.OpenAsync();

        var result = await BuildAsync(connection);

        Assert.Equal((new ProtocolVersion(1, 35), OwnVersion), (connection.Version, connection.NixVersion));
        Assert.Equal(DaemonTrust.Trusted, connection.Trust);
        Assert.Equal((TimeSpan.FromSeconds(5), null), (result.StopTime - result.StartTime, result.CpuUser));
        Assert.Equal(["dev", "out"], result.BuiltOutputs.Keys.Order());
    }

    [Fact]
    public async Task What_its_machine_does_not_build_is_left_to_others_and_tells_its_system_and_features()
    {
        // An error of a build becomes a result of the kind that has no other name. [Store::buildDerivation]
        var daemon = Lix(_ => new() { Status = BuildStatus.MiscFailure, ErrorMessage = Refusal });
        await using var connection = await daemon.OpenAsync();

        var facts = await BuilderProbe.AskAsync(connection, Cancellation);

        Assert.Equal(
            ("x86_64-linux", "benchmark kvm", true, OwnVersion, "1.35"),
            (facts.System, string.Join(' ', facts.Features!), facts.Trusted, facts.NixVersion, facts.Protocol));
        Assert.Equal(FailureKind.RetryElsewhere, FailureClassifier.KindOf(await BuildAsync(connection)));
    }

    [Fact]
    public async Task A_realisation_is_refused_before_it_is_read_and_the_connection_ends()
    {
        var (client, server) = Channel();
        await server.WriteAsync(
            ProtocolBytes.Of(
                0x6478696f, 0x123, OwnVersion, 1, 0x616c7473, 0x63787470, "Error", 0, "Error", "ca derivations are not supported", 0, 0),
            Cancellation);
        await using var connection = await DaemonConnection.OpenAsync(client, new() { Builder = "ruby" }, Cancellation);
        await server.DisposeAsync();

        var refused = await Assert.ThrowsAsync<DaemonException>(
            () => connection.RegisterRealisationsAsync([new("sha256:00!out", FakeStore.PathOf("x"))], Cancellation));

        Assert.Equal("ca derivations are not supported", refused.Text);
    }

    private static FakeDaemon Lix(Func<FakeBuild, BuildResult> build) => new()
    {
        Version = new(1, 35),
        NixVersion = OwnVersion,
        Build = asked => Task.FromResult(build(asked)),
    };

    private static Task<BuildResult> BuildAsync(DaemonConnection connection) => connection.BuildDerivationAsync(
        FakeStore.PathOf("x.drv"),
        new BasicDerivation
        {
            Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(FakeStore.PathOf("x"), "", "") },
            InputPaths = [],
            System = "riscv64-linux",
            Builder = "/bin/sh",
            Arguments = [],
            Environment = new Dictionary<string, string>(),
        },
        BuildMode.Normal,
        sink: null,
        Cancellation);

    private static (Stream Client, Stream Server) Channel()
    {
        var channel = new MemoryChannel(64 << 10);
        return (channel.Client, channel.Server);
    }
}
