using System.Text;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.FollowUp;

/// <summary>Brings the directories of failed builds to this machine.</summary>
internal static class KeptFolders
{
    /// <summary>More than nearly all builds leave; what is larger stays on its builder.</summary>
    private const long MostBytes = 4L << 30;

    /// <summary>A builder that is slower than this keeps it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>Brings one, beside the log of its build. What is on this machine already stays where it is.</summary>
    /// <param name="session">Where it is.</param>
    /// <param name="there">Its path there.</param>
    /// <param name="log">The log of the build; null: there is none, and so no place.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<KeptFolder> BringAsync(
        BuilderSession session, string there, string? log, TimeProvider time, CancellationToken cancellation)
    {
        if (session.Builder.IsLocal) return new(there, there);
        if (log is null) return new(there, null) { Problem = "there is no folder for it, as there is none for the log" };
        var here = Path.ChangeExtension(log, ".failed");
        using var patience = new SilenceWatch(Patience, time, cancellation);
        var said = "";
        try
        {
            if (Directory.Exists(here)) Directory.Delete(here, recursive: true);
            await using var channel = await session.OpenFolderAsync(patience.Token);
            await channel.Stream.WriteAsync(Encoding.UTF8.GetBytes(there + '\n'), patience.Token);
            await channel.Stream.FlushAsync(patience.Token);
            try
            {
                await ForeignArchive.UnpackAsync(channel.Stream, here, MostBytes, patience.Token);
            }
            finally
            {
                said = channel.ErrorOutput;
            }
            return new(there, here);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return Left($"that takes more than {Patience.TotalMinutes:0} min");
        }
        catch (Exception e) when (
            e is IOException or UnauthorizedAccessException or NixBuildFarmException or NotSupportedException or ObjectDisposedException)
        {
            return Left(said.Length > 0 ? said.Split('\n')[0] : e.Message);
        }

        KeptFolder Left(string problem)
        {
            Discard(here);
            return new(there, null) { Problem = problem.TrimEnd('.') };
        }
    }

    private static void Discard(string folder)
    {
        try
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It goes with the logs of the run.
        }
    }
}
