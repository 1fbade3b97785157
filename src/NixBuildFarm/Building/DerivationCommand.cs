using System.Collections;
using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Hosting;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Building;

/// <summary>A cmdlet that is about derivations, which are named in any of the ways that Nix has.</summary>
public abstract class DerivationCommand : AsyncCommand
{
    private protected const string InstallableSet = "Installable";
    private protected const string PathSet = "Path";
    private protected const string ExpressionSet = "Expression";
    private protected const string DerivationSet = "DerivationPath";

    /// <summary>
    /// Installables of <c>nix build</c>: <c>nixpkgs#hello</c>, <c>.#hello^dev</c>, a <c>.drv</c> path; or a set: <c>.#checks</c>.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = InstallableSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(InstallableCompleter))]
    public string[] Installable { get; set; } = [];

    /// <summary>A <c>.nix</c> file.</summary>
    [Parameter(Mandatory = true, ParameterSetName = PathSet)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>An expression of the Nix language.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ExpressionSet)]
    [ValidateNotNullOrEmpty]
    public string Expression { get; set; } = "";

    /// <summary>Attributes of the file or the expression; none: its own value.</summary>
    [Parameter(ParameterSetName = PathSet)]
    [Parameter(ParameterSetName = ExpressionSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(AttributeCompleter))]
    public string[] Attribute { get; set; } = [];

    /// <summary>
    /// Arguments of the function in the file or the expression, by name: strings, numbers, booleans, and lists and tables of these.
    /// </summary>
    [Parameter(ParameterSetName = PathSet)]
    [Parameter(ParameterSetName = ExpressionSet)]
    public Hashtable Argument { get; set; } = [];

    /// <summary>A flake or an expression may look at files and variables of this machine. A file always may.</summary>
    [Parameter(ParameterSetName = InstallableSet)]
    [Parameter(ParameterSetName = ExpressionSet)]
    public SwitchParameter Impure { get; set; }

    /// <summary>Inputs of the flake that are replaced: flake references by name, e.g. <c>@{ nixpkgs = '../nixpkgs' }</c>.</summary>
    [Parameter(ParameterSetName = InstallableSet)]
    [ValidateNotNull]
    public Hashtable OverrideInput { get; set; } = [];

    /// <summary>What becomes of the flake's lock file where inputs are not locked.</summary>
    [Parameter(ParameterSetName = InstallableSet)]
    public LockFileMode LockFile { get; set; }

    /// <summary>Settings of nix.conf by name, for this evaluation and where they are about builds for these.</summary>
    [Parameter(ParameterSetName = InstallableSet)]
    [Parameter(ParameterSetName = PathSet)]
    [Parameter(ParameterSetName = ExpressionSet)]
    [ValidateNotNull]
    public Hashtable Option { get; set; } = [];

    /// <summary>Paths of derivations in the local store, with <c>!out,dev</c> after them where single outputs are meant.</summary>
    [Parameter(Mandatory = true, ParameterSetName = DerivationSet)]
    [ValidateNotNullOrEmpty]
    public virtual string[] DerivationPath { get; set; } = [];

    /// <summary>What was asked for, in the user's words.</summary>
    private protected IEnumerable<string> Named => ParameterSetName switch
    {
        PathSet => Attribute.Length > 0 ? Attribute.Select(a => $"{Path}: {a}") : [Path],
        ExpressionSet => Attribute.Length > 0 ? Attribute.Select(a => $"{Expression}: {a}") : [Expression],
        DerivationSet => DerivationPath,
        _ => Installable,
    };

    /// <summary>The settings that <see cref="Option"/> gives.</summary>
    /// <exception cref="NixBuildFarmException">Nix has no such value.</exception>
    private protected IReadOnlyDictionary<string, string> Settings =>
        Option.Cast<DictionaryEntry>().ToDictionary(entry => entry.Key.ToString()!, entry => NixExpression.Setting(entry.Value));

    /// <summary>
    /// Asks Nix for the derivations, in the session's present location: a job goes on when the session changes it. The builders are those
    /// of the run; null: those that Nix is configured with.
    /// </summary>
    private protected Resolver MakeResolver()
    {
        if (ParameterSetName == DerivationSet) return (_, _, _) => Task.FromResult(InstallableResolver.ResolveDerivations(DerivationPath));
        var options = new EvaluationOptions
        {
            WorkingDirectory = SessionState.Path.CurrentFileSystemLocation.ProviderPath,
            IsImpure = Impure,
            OverrideInputs = OverrideInput.Cast<DictionaryEntry>().ToDictionary(entry => entry.Key.ToString()!, entry => $"{entry.Value}"),
            LockFile = LockFile,
            Settings = Settings,
        };
        var arguments = Argument.Cast<DictionaryEntry>()
            .ToDictionary(entry => entry.Key.ToString()!, entry => NixExpression.From(entry.Value));
        var file = ParameterSetName == PathSet ? this.FileOf(Path) : "";
        string[] named = [.. Named];
        var set = ParameterSetName;
        return async (builders, output, cancellation) =>
        {
            using var display = new EvaluationDisplay(output, named, TimeProvider.System);
            var chosen = options with
            {
                Builders = builders,
                Systems = builders is null ? [] : EvaluationOptions.SystemsOf(builders),
                NamesSystem = set == InstallableSet && Installable.All(EvaluationOptions.NamesSystemIn),
                Heard = display.Hear,
            };
            if (chosen.OtherSystem is { } system)
            {
                var others = chosen.Systems.Count == 1 ? "" : $", which also build for {string.Join(", ", chosen.Systems.Skip(1))}";
                output.Remark(
                    $"No builder of this run builds for {OwnSystem.Name}: what names no system is evaluated for {system}, as its builders "
                        + $"have it{others}. -Option @{{ system = '…' }} names another.", EvaluationDisplay.Tag);
            }
            var resolver = new InstallableResolver(chosen);
            return await (set switch
            {
                PathSet => resolver.ResolveFileAsync(file, Attribute, arguments, cancellation),
                ExpressionSet => resolver.ResolveExpressionAsync(Expression, Attribute, arguments, cancellation),
                _ => resolver.ResolveAsync(Installable, cancellation),
            });
        };
    }

    /// <summary>Runs an action, and ends the cmdlet if it finds an error in the user's input.</summary>
    private protected T OrEnd<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (NixBuildFarmException e)
        {
            ThrowTerminatingError(e.ToErrorRecord());
            throw;
        }
    }

    /// <summary>Asks Nix for derivations.</summary>
    /// <exception cref="NixBuildFarmException">It does not evaluate, or is no derivation.</exception>
    private protected delegate Task<IReadOnlyList<RequestedDerivation>> Resolver(
        IReadOnlyList<NixBuilder>? builders, CommandOutput output, CancellationToken cancellation);
}
