using NixBuildFarm.Errors;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Work;

/// <summary>
/// Decides which paths of a builder's result are accepted: only those that follow from what was asked for, or that the destination can
/// verify. So a builder can neither put contents of its choice under the path of something else, nor bring in such a path as a reference.
/// It is trusted only with the contents of its own outputs, which nobody can verify.
/// </summary>
/// <remarks>
/// An input-addressed output is at the path that the derivation states once it is resolved. A download is at the path that the derivation
/// states, with the content address that it states. A content-addressed output is at the path that follows from its content address, name
/// and references; every store that takes it hashes the content. All of them refer to inputs of the derivation, and to its other outputs.
/// </remarks>
internal sealed class ResultRule
{
    private readonly string builder;
    private readonly WorkItem job;
    private readonly IReadOnlySet<StorePath> inputs;
    private readonly Dictionary<StorePath, string> outputs;

    /// <summary>Begins to judge.</summary>
    /// <param name="builder">The builder's name.</param>
    /// <param name="job">The job that it has built.</param>
    /// <param name="named">Where it says that the outputs are: <see cref="Name"/>.</param>
    /// <param name="inputs">All paths that the job may read: its inputs, and what they refer to.</param>
    public ResultRule(string builder, WorkItem job, IReadOnlyDictionary<string, StorePath> named, IReadOnlySet<StorePath> inputs)
    {
        this.builder = builder;
        this.job = job;
        this.inputs = inputs;
        outputs = [];
        foreach (var (name, path) in named) outputs[path] = name;
    }

    /// <summary>The paths that the builder has to describe.</summary>
    public IEnumerable<StorePath> Outputs => outputs.Keys;

    /// <summary>Whether a path is an input; the builder's information on it is ignored.</summary>
    public bool IsInput(StorePath path) => inputs.Contains(path);

    /// <summary>Where a builder says that the outputs of a job are, by name.</summary>
    /// <exception cref="BuilderException">It leaves one out, or says that it has another name.</exception>
    public static IReadOnlyDictionary<string, StorePath> Name(string builder, WorkItem job, IReadOnlyDictionary<string, StorePath> said)
    {
        var named = new Dictionary<string, StorePath>();
        foreach (var (name, output) in job.OutputsToBuild)
        {
            var path = output.Path ?? said.GetValueOrDefault(name)
                ?? throw Broken(builder, $"says that it built {job.Name}, but not where the output {name} is");
            if (path != output.Path && path.Name != job.Node.NameOf(name))
            {
                throw Broken(builder, $"says that the output {name} of {job.Name} is {path}, which has another name");
            }
            named.Add(name, path);
        }
        return named;
    }

    /// <summary>Checks the builder's information on one of the outputs.</summary>
    /// <exception cref="BuilderException">The information cannot be right.</exception>
    public TakenPath Take(PathInfo said)
    {
        if (said.NarSize == 0) throw Broken(builder, $"says that the NAR of {said.Path} has 0 bytes, which none has");
        // A store that takes it has not built it itself, whatever the builder says.
        var info = said with { Ultimate = false };
        if (info.References.FirstOrDefault(path => !inputs.Contains(path) && !outputs.ContainsKey(path)) is { } stranger)
        {
            throw Broken(builder, $"says that {info.Path} refers to {stranger}, which is no input of {job.Name}");
        }
        var name = outputs[info.Path];
        var output = job.OutputsToBuild[name];
        switch (output.Kind)
        {
            case DerivationOutputKind.InputAddressed:
                return info.ContentAddress is null
                    ? new(info, IsVouchedFor: true)
                    : throw Broken(builder, $"says that {info.Path} is content-addressed, which it is not");
            case DerivationOutputKind.Fixed:
                return new(Proven(info with { ContentAddress = output.ContentAddress }), IsVouchedFor: true);
            default:
                var isOfKind = ContentAddress.TryParse(info.ContentAddress, out var address) && address.Method == output.HashAlgorithm;
                return isOfKind
                    ? new(Proven(info), IsVouchedFor: false)
                    : throw Broken(
                        builder,
                        $"says that {info.Path} is the output {name} of {job.Name}, but it is not content-addressed as the derivation "
                            + "asks");
        }
    }

    /// <summary>The error of a builder that has broken the rule: it takes no further part in the run.</summary>
    public static BuilderException Broken(string builder, string what, Exception? inner = null) =>
        new(builder, BuilderFailure.FalseResult, $"{builder} {what}.", $"Do not trust {builder} before you know why.", inner);

    private PathInfo Proven(PathInfo info) => ContentAddress.Gives(info) && ContentAddress.Fits(info)
        ? info
        : throw Broken(builder, $"says of {info.Path} something impossible: its content address, name and references give another path");
}

/// <summary>The information on a path that a builder has made.</summary>
/// <param name="Info">The information.</param>
/// <param name="IsVouchedFor">Whether a store may take it without a look at signatures; else it has to check its content address or its
/// signatures.</param>
internal readonly record struct TakenPath(PathInfo Info, bool IsVouchedFor);
