using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Running;

/// <summary>Builds that others know of, as the user asks for them.</summary>
public static class ForeignBuilds
{
    /// <summary>The file in which nix-output-monitor keeps what it has reported to this user; it may not exist.</summary>
    /// <exception cref="NixBuildFarmException">The user has no home folder.</exception>
    public static string ReportFile => NixOutputMonitorReports.DefaultFile;

    /// <summary>What a file of nix-output-monitor tells; null: it is no such file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="builders">The builders that are known, this machine among them.</param>
    /// <exception cref="NixBuildFarmException">It cannot be read.</exception>
    public static IReadOnlyList<BuildObservation>? Reported(string file, IReadOnlyList<NixBuilder> builders)
    {
        try
        {
            using var reader = new StreamReader(file);
            if (reader.ReadLine() is not { } first || !NixOutputMonitorReports.IsOne(first)) return null;
            return NixOutputMonitorReports.Read(File.ReadLines(file), new(builders), TimeProvider.System.GetUtcNow());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException("FileUnreadable", $"{file} cannot be read: {e.Message}", "Check the path.", e);
        }
    }

    /// <summary>What the logs of a builder tell; null where it does not answer.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="transport">Reaches it.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<IReadOnlyList<BuildObservation>?> LoggedAsync(
        NixBuilder builder, IBuilderTransport transport, CancellationToken cancellation) =>
        await BuildTimesQuestion.AskAsync(transport, TimeProvider.System, cancellation) is { } times
            ? LoggedBuilds.Of(times, builder, TimeProvider.System.GetUtcNow())
            : null;
}
