using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A history that knows how fast one link is, and nothing else.</summary>
internal sealed class KnownLink(string builder, double bytesPerSecond) : NoHistory
{
    public override IReadOnlyList<TransferObservation> Transfers() => [Transfer(toBuilder: true), Transfer(toBuilder: false)];

    private TransferObservation Transfer(bool toBuilder) =>
        new() { Builder = builder, ToBuilder = toBuilder, Bytes = 1000, Seconds = 1000 / bytesPerSecond };
}
