using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Sessions;

/// <summary>Limits how long a daemon may stay silent.</summary>
internal static class DaemonQuestion
{
    /// <summary>A watch that runs out when nothing has passed between us and a daemon for too long.</summary>
    public static SilenceWatch Watch(DaemonConnection daemon, TimeSpan limit, TimeProvider time, CancellationToken cancellation)
    {
        var passed = daemon.Passed;
        return new SilenceWatch(limit, time, cancellation, () => passed != (passed = daemon.Passed));
    }

    /// <summary>Asks a daemon, and waits for the answer as long as something passes between us.</summary>
    /// <param name="daemon">The daemon.</param>
    /// <param name="limit">How long nothing may pass.</param>
    /// <param name="time">The clock.</param>
    /// <param name="question">Asks.</param>
    /// <param name="silent">Makes the error for a builder that did not answer.</param>
    /// <param name="cancellation">Calls the question off.</param>
    /// <exception cref="BuilderException">There is no answer.</exception>
    public static async Task<T> AskAsync<T>(
        DaemonConnection daemon,
        TimeSpan limit,
        TimeProvider time,
        Func<CancellationToken, Task<T>> question,
        Func<string, BuilderException> silent,
        CancellationToken cancellation)
    {
        using var watch = Watch(daemon, limit, time, cancellation);
        try
        {
            return await question(watch.Token);
        }
        catch (OperationCanceledException) when (watch.HasRunOut && !cancellation.IsCancellationRequested)
        {
            throw silent(Unanswered(limit));
        }
    }

    /// <summary>Describes the fault of a daemon that has left a question unanswered.</summary>
    public static string Unanswered(TimeSpan limit) => $"has left a question unanswered for {limit.TotalSeconds:0.#} s";

    /// <summary>The error for a builder that is silent.</summary>
    /// <param name="builder">The builder's name.</param>
    /// <param name="what">The fault.</param>
    public static BuilderException Error(string builder, string what) => new(
        builder,
        BuilderFailure.ConnectionLost,
        $"{builder} {what}, although its connection is alive.",
        $"Check its nix-daemon, and the disk of {builder}.");
}
