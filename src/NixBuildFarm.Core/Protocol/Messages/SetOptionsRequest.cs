using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Settings for the rest of the connection.</summary>
internal sealed record SetOptionsRequest(DaemonOptions Options) : IRequest<Done>
{
    public WorkerOperation Operation => WorkerOperation.SetOptions;

    public void Write(WireWriter writer, ProtocolVersion version)
    {
        writer.WriteBool(Options.KeepFailed);
        writer.WriteBool(Options.KeepGoing);
        writer.WriteBool(Options.TryFallback);
        writer.WriteInt64((long)Options.Verbosity);
        writer.WriteInt64(Options.MaxBuildJobs);
        writer.WriteInt64((long)Math.Ceiling(Options.MaxSilentTime.TotalSeconds));
        writer.WriteBool(true); // Use the build hook: no daemon reads it any more.
        writer.WriteInt64((long)Verbosity.Vomit); // Level of the build log in the daemon's own log; it comes as BuildLogLine anyway.
        writer.WriteInt64(0); // Type of log: no daemon reads it any more.
        writer.WriteInt64(0); // Print the build trace: no daemon reads it any more.
        writer.WriteInt64(Options.BuildCores);
        writer.WriteBool(Options.UseSubstitutes);
        writer.WriteStringMap(Options.Overrides);
    }

    public ValueTask<Done> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) => Done.Nothing;
}
