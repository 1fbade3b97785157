using System.Collections.Concurrent;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Building;

/// <summary>Caches Nix's answers for completion. An answer that comes too late is there at the next press of the key.</summary>
internal static class EvaluationCache
{
    /// <summary>The user waits at the prompt.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan LongestEvaluation = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(60);
    private const int MostKept = 50;
    private static readonly ConcurrentDictionary<string, Entry> Entries = new();

    /// <summary>The answer to a question; empty while there is none, or where Nix had none.</summary>
    /// <param name="question">All that the answer depends on.</param>
    /// <param name="ask">Asks Nix.</param>
    public static IReadOnlyList<string> Get(string question, Func<CancellationToken, Task<IReadOnlyList<string>>> ask)
    {
        foreach (var (old, entry) in Entries)
        {
            if (DateTimeOffset.UtcNow - entry.At > Freshness || Entries.Count > MostKept) Entries.TryRemove(old, out _);
        }
        var answer = Entries.GetOrAdd(question, _ => new(DateTimeOffset.UtcNow, new(() => Task.Run(() => AskAsync(ask))))).Answer.Value;
        return answer.Wait(Patience) ? answer.Result : [];
    }

    private static async Task<IReadOnlyList<string>> AskAsync(Func<CancellationToken, Task<IReadOnlyList<string>>> ask)
    {
        using var limit = new CancellationTokenSource(LongestEvaluation);
        try
        {
            return await ask(limit.Token);
        }
        catch (Exception e) when (e is NixBuildFarmException or OperationCanceledException or System.Text.Json.JsonException)
        {
            // A failing evaluation offers nothing; the command itself will report why.
            return [];
        }
    }

    private sealed record Entry(DateTimeOffset At, Lazy<Task<IReadOnlyList<string>>> Answer);
}
