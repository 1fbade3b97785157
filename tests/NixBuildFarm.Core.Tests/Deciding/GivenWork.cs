using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Deciding;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Work;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>Derivations and builders that only decisions see.</summary>
internal sealed class GivenWork(params string[] names)
{
    private readonly Dictionary<StorePath, (Derivation Derivation, StorePath[] Needs, bool IsSubstitution)> derivations = [];
    private readonly Dictionary<StorePath, StorePath> makers = [];
    private readonly Dictionary<StorePath, StorePath> madeBy = [];

    private static readonly StorePath[] NoPath = [];

    /// <summary>The names of the builders.</summary>
    public IReadOnlyList<string> Names => names;

    /// <summary>What builders can do beyond plain builds, by name.</summary>
    public Dictionary<string, string[]> Features { get; } = [];

    /// <summary>The policies of builders, by name.</summary>
    public Dictionary<string, BuilderPolicy> Policies { get; } = [];

    /// <summary>Slots of each builder.</summary>
    public int MaxJobs { get; init; } = 2;

    /// <summary>The memory of each machine, in bytes; null: they do not tell.</summary>
    public long? Memory { get; init; }

    /// <summary>What machines tell as they are connected, by builder.</summary>
    public Dictionary<string, MachineReading> FirstReadings { get; } = [];

    /// <summary>The load that earlier builds have left as machines are connected, by builder; of others not known.</summary>
    public Dictionary<string, double> LeftLoads { get; } = [];

    /// <summary>A derivation with one output.</summary>
    public StorePath Derivation(
        string name,
        IEnumerable<StorePath>? inputs = null,
        IReadOnlyDictionary<string,
        string>? environment = null,
        bool isSubstitution = false)
    {
        StorePath[] needs = [.. inputs ?? []];
        var path = FakeStore.PathOf(name + ".drv");
        derivations.Add(path, (
            new()
            {
                Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(FakeStore.PathOf(name), "", "") },
                InputDerivations = needs.ToDictionary(input => input, _ => (IReadOnlyList<string>)["out"]),
                InputSources = [],
                System = "x86_64-linux",
                Builder = "/bin/sh",
                Arguments = [],
                Environment = environment ?? new Dictionary<string, string>(),
            },
            needs,
            isSubstitution));
        return path;
    }

    /// <summary>A derivation whose output is another one, which nobody knows before.</summary>
    public StorePath Maker(string name, StorePath makes)
    {
        var path = Derivation(name);
        derivations[path] = (With(derivations[path].Derivation, makes), [], false);
        madeBy[path] = makes;
        return path;
    }

    /// <summary>A derivation that uses what another one makes.</summary>
    public StorePath UserOf(string name, StorePath maker, IEnumerable<StorePath> inputs)
    {
        var path = Derivation(name, inputs.Append(maker));
        makers[path] = maker;
        return path;
    }

    /// <summary>The derivation that makes what one uses; null: it uses nothing of the kind.</summary>
    public StorePath? MakerFor(StorePath user) => makers.GetValueOrDefault(user);

    /// <summary>What a derivation makes.</summary>
    public StorePath MadeBy(StorePath maker) => madeBy[maker];

    /// <summary>The job that stands for what a derivation makes.</summary>
    public static RunJob JobOfMade(int index, StorePath maker)
    {
        var expansion = new Expansion(maker, "out", new(["out"], DynamicInput.None));
        return new()
        {
            Index = index,
            Node = expansion.ToNode(),
            Expansion = expansion,
            IsSubstitution = false,
            IsRequested = false,
            Unresolved = null,
            Inputs = [],
            Wanted = [],
        };
    }

    private static Derivation With(Derivation plain, StorePath output) => new()
    {
        Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(output, "", "") },
        InputDerivations = plain.InputDerivations,
        InputSources = plain.InputSources,
        System = plain.System,
        Builder = plain.Builder,
        Arguments = plain.Arguments,
        Environment = plain.Environment,
    };

    /// <summary>A derivation and all that it needs, what is needed first.</summary>
    public IReadOnlyList<StorePath> ClosureOf(params IEnumerable<StorePath> tops)
    {
        var wanted = new HashSet<StorePath>();
        foreach (var top in tops) Add(top);
        // Each was made after what it needs.
        return [.. derivations.Keys.Where(wanted.Contains)];

        void Add(StorePath path)
        {
            if (!wanted.Add(path) || derivations[path].IsSubstitution) return;
            foreach (var need in derivations[path].Needs) Add(need);
        }
    }

    /// <summary>What a derivation needs.</summary>
    public IReadOnlyList<StorePath> NeedsOf(StorePath path) => derivations[path].IsSubstitution ? [] : derivations[path].Needs;

    /// <summary>A job that builds, or fetches, a derivation.</summary>
    public RunJob Job(int index, StorePath path, bool isRequested)
    {
        var (derivation, needs, isSubstitution) = derivations[path];
        return new()
        {
            Index = index,
            Node = new(index, path, derivation, []),
            IsSubstitution = isSubstitution,
            IsRequested = isRequested,
            Unresolved = null,
            Inputs = [.. needs.Select(OutputOf), .. makers.TryGetValue(path, out var maker) ? [OutputOf(madeBy[maker])] : NoPath],
            Wanted = [OutputOf(path)],
        };
    }

    /// <summary>A builder.</summary>
    public NixBuilder Builder(string name) => new NixBuilder
    {
        Name = name,
        HostName = name,
        Uri = name,
        Scheme = name == NixBuilder.LocalName ? StoreScheme.Local : StoreScheme.SshNg,
        Systems = ["x86_64-linux"],
        SupportedFeatures = Features.GetValueOrDefault(name) ?? [],
        MaxJobs = MaxJobs,
        Source = "a test",
    }.WithPolicy(Policies.GetValueOrDefault(name, BuilderPolicy.Empty));

    private StorePath OutputOf(StorePath path) => derivations[path].Derivation.Outputs["out"].Path!;
}
