using NixBuildFarm.Errors;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Evaluation;

/// <summary>
/// Evaluates once more where the garbage collector has taken a derivation before it was used: a program of Nix that evaluates keeps its
/// derivations only until it ends.
/// </summary>
internal static class Reevaluation
{
    // A collector that runs all the time takes a few in a row at most.
    private const int MostEvaluations = 5;

    /// <summary>Uses what has been evaluated.</summary>
    /// <param name="evaluated">The derivations.</param>
    /// <param name="evaluate">Evaluates again.</param>
    /// <param name="use">Uses them; begins with having them kept, so that they are there the next time.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="NixBuildFarmException">They do not evaluate any more, or cannot be read, or are not there however often they are
    /// evaluated.</exception>
    public static async Task<T> UseAsync<T>(
        IReadOnlyList<RequestedDerivation> evaluated,
        Func<CancellationToken, Task<IReadOnlyList<RequestedDerivation>>> evaluate,
        Func<IReadOnlyList<RequestedDerivation>, Task<T>> use,
        CancellationToken cancellation)
    {
        for (var count = 1; ; count++)
        {
            try
            {
                return await use(evaluated);
            }
            catch (NixBuildFarmException e) when (e.Id == StoreFolder.NotFound && count < MostEvaluations)
            {
                evaluated = await evaluate(cancellation);
            }
        }
    }
}
