using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol;

/// <summary>A store path to be added to a store.</summary>
/// <param name="Info">The registration; hash and size must be those of the NAR.</param>
/// <param name="WriteNarAsync">Writes the NAR to the stream that it is given, once, and does not close it.</param>
internal sealed record NarSource(PathInfo Info, Func<Stream, CancellationToken, Task> WriteNarAsync);
