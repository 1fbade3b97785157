using NixBuildFarm.Evaluation;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Serving;

/// <summary>Makes orders of what clients ask for.</summary>
internal static class BuildOrders
{
    private const string Extension = ".drv";

    /// <summary>Of derivations that are in the store; what is asked for beside them is for the local daemon to fetch.</summary>
    public static BuildOrder Of(IEnumerable<DerivedPath> wanted, ClientSettings settings)
    {
        RequestedDerivation[] derivations =
        [
            .. wanted.Where(path => path.Outputs is not null)
                .GroupBy(path => path.Path)
                .Select(paths => new RequestedDerivation(paths.Key, OutputsOf(paths))),
        ];
        return new(derivations, new StoreFolder(), settings)
        {
            Named = [.. derivations.Select(derivation => NameOf(derivation.Derivation))],
        };
    }

    /// <summary>Of a derivation that comes with the request, and whose inputs are in the store.</summary>
    public static BuildOrder Of(StorePath path, BasicDerivation derivation, ClientSettings settings) =>
        new([new(path, [])], new GivenDerivation(path, derivation), settings) { Named = [NameOf(path)] };

    private static string NameOf(StorePath derivation) =>
        derivation.Name.EndsWith(Extension, StringComparison.Ordinal) ? derivation.Name[..^Extension.Length] : derivation.Name;

    // No names mean all outputs.
    private static IReadOnlyList<string> OutputsOf(IEnumerable<DerivedPath> paths) =>
        paths.Any(path => path.Outputs!.Count == 0) ? [] : [.. paths.SelectMany(path => path.Outputs!).Distinct()];

    private sealed class GivenDerivation(StorePath path, BasicDerivation derivation) : IDerivationSource
    {
        public Task<Derivation> ReadAsync(StorePath wanted, CancellationToken cancellation) => wanted != path
            ? throw new InvalidOperationException($"{wanted} is no input of a derivation that has none.")
            : Task.FromResult(new Derivation
            {
                Outputs = derivation.Outputs,
                InputDerivations = new Dictionary<StorePath, IReadOnlyList<string>>(),
                InputSources = derivation.InputPaths,
                System = derivation.System,
                Builder = derivation.Builder,
                Arguments = derivation.Arguments,
                Environment = derivation.Environment,
            });
    }
}
