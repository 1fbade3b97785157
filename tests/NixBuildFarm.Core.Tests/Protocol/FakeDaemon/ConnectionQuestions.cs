using NixBuildFarm.Protocol;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary>Questions that tests have and runs have not.</summary>
internal static class ConnectionQuestions
{
    /// <summary>Whether a path is valid.</summary>
    public static async Task<bool> IsValidPathAsync(this DaemonConnection connection, StorePath path, CancellationToken cancellation) =>
        (await connection.QueryValidPathsAsync([path], substitute: false, cancellation)).Contains(path);
}
