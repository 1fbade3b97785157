using System.Collections;
using System.Management.Automation;
using NixBuildFarm.Completers;
using NixBuildFarm.Running;

namespace NixBuildFarm;

/// <summary>A cmdlet that is about derivations, which are named in any of the ways that Nix has.</summary>
public abstract class DerivationCommand : AsyncCommand
{
    private protected const string InstallableSet = "Installable";
    private protected const string PathSet = "Path";
    private protected const string DerivationSet = "DerivationPath";

    /// <summary>What <c>nix build</c> would take: <c>nixpkgs#hello</c>, <c>.#checks.x86_64-linux.unit</c>, a <c>.drv</c> path.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = InstallableSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(InstallableCompleter))]
    public string[] Installable { get; set; } = [];

    /// <summary>A <c>.nix</c> file.</summary>
    [Parameter(Mandatory = true, ParameterSetName = PathSet)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>Attributes of the file; none: what the file itself evaluates to.</summary>
    [Parameter(ParameterSetName = PathSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(AttributeCompleter))]
    public string[] Attribute { get; set; } = [];

    /// <summary>Arguments of the file's function by name: strings, numbers, booleans, and lists and tables of these.</summary>
    [Parameter(ParameterSetName = PathSet)]
    public Hashtable Argument { get; set; } = [];

    /// <summary>Paths of derivations in the local store, with <c>!out,dev</c> after them where single outputs are meant.</summary>
    [Parameter(Mandatory = true, ParameterSetName = DerivationSet)]
    [ValidateNotNullOrEmpty]
    public virtual string[] DerivationPath { get; set; } = [];

    /// <summary>What the user named, in the user's words.</summary>
    private protected IEnumerable<string> Named => ParameterSetName switch
    {
        PathSet => Attribute.Length > 0 ? Attribute.Select(a => $"{Path}: {a}") : [Path],
        DerivationSet => DerivationPath,
        _ => Installable,
    };

    /// <summary>Asks Nix for the derivations.</summary>
    /// <exception cref="NixBuildFarmException">It does not evaluate, or is no derivation.</exception>
    private protected Task<IReadOnlyList<RequestedDerivation>> ResolveAsync(CancellationToken cancellation) => Resolver()(cancellation);

    /// <summary>What asks Nix for them, in the session's present location: a job goes on when the session is elsewhere.</summary>
    private protected Func<CancellationToken, Task<IReadOnlyList<RequestedDerivation>>> Resolver()
    {
        switch (ParameterSetName)
        {
            case PathSet:
                var file = GetUnresolvedProviderPathFromPSPath(Path);
                return cancellation => InstallableResolver.ResolveFileAsync(
                    file, Attribute, Argument.Cast<DictionaryEntry>().ToDictionary(e => e.Key.ToString()!, e => NixExpression.From(e.Value)), cancellation);
            case DerivationSet:
                return _ => Task.FromResult(InstallableResolver.ResolveDerivations(DerivationPath));
            default:
                var folder = SessionState.Path.CurrentFileSystemLocation.ProviderPath;
                return cancellation => InstallableResolver.ResolveAsync(Installable, folder, cancellation);
        }
    }
}
