namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// What a derivation uses of another one that exists only when an input has been built: an output of that input is its <c>.drv</c> file.
/// Nix calls these dynamic derivations.
/// </summary>
/// <param name="Outputs">The outputs of it that are used themselves, sorted.</param>
/// <param name="Made">What is used of the derivations that it makes, by the output that is the <c>.drv</c> file.</param>
internal sealed record DynamicInput(IReadOnlyList<string> Outputs, IReadOnlyDictionary<string, DynamicInput> Made)
{
    /// <summary>No derivation is made.</summary>
    public static readonly IReadOnlyDictionary<string, DynamicInput> None = new Dictionary<string, DynamicInput>();

    /// <summary>All outputs of it that are needed.</summary>
    public IEnumerable<string> Needed => NeededOf(Outputs, Made);

    /// <summary>The same without an object: a large graph has hundreds of thousands of these.</summary>
    public static IEnumerable<string> NeededOf(IReadOnlyList<string> outputs, IReadOnlyDictionary<string, DynamicInput> made) =>
        made.Count == 0 ? outputs : outputs.Concat(made.Keys).Distinct();
}
