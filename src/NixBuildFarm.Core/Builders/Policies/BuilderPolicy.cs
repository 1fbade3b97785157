using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;

namespace NixBuildFarm.Builders.Policies;

/// <summary>
/// Settings of the user that override the configuration, for one builder or for all. Null: not set. To add a setting, add a property here,
/// a parameter of Set-NixBuilderPolicy with the same name, and its effect, in <see cref="NixBuilder"/> or where builders are described to
/// the scheduler. The policy file and Get-NixBuilderPolicy then have it; a test says where help and views lack it.
/// </summary>
public class BuilderPolicy
{
    private static readonly PropertyInfo[] Settings =
        [
            .. typeof(BuilderPolicy)
                .GetProperties(BindingFlags.Public | BindingFlags.Instance)
                .Where(property => property.SetMethod is not null),
        ];

    private readonly int? maxJobs;
    private readonly int? cores;
    private readonly int? reserve;
    private readonly double? speedFactor;
    private readonly double? maxLoad;
    private readonly long? minFreeSpace;
    private readonly long? maxUpload;
    private readonly long? shareMemo;
    private readonly long? reserveMemory;
    private readonly IReadOnlyDictionary<string, long>? memory;
    private readonly IReadOnlyList<string>? pushTo;

    /// <summary>The policy that sets nothing, until settings are given.</summary>
    public BuilderPolicy()
    {
    }

    /// <summary>A policy with the settings of another one.</summary>
    private protected BuilderPolicy(BuilderPolicy other)
    {
        foreach (var setting in Settings) setting.SetValue(this, setting.GetValue(other));
    }

    /// <summary>The names of the settings.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Settings.Select(setting => setting.Name)];

    /// <summary>The policy that sets nothing.</summary>
    public static BuilderPolicy Empty { get; } = new();

    /// <summary>Builds at a time, 0 or more; 0: none.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public int? MaxJobs { get => maxJobs; init => maxJobs = AtLeast(0, value); }

    /// <summary>Cores that builds may use in all, 1 or more; where it is not set, those of the machine.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public int? Cores { get => cores; init => cores = AtLeast(1, value); }

    /// <summary>Cores that are kept free for the person at the machine, 0 or more; one stays for builds in any case.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public int? Reserve { get => reserve; init => reserve = AtLeast(0, value); }

    /// <summary>Bytes of memory that builds leave to the person at the machine, 0 or more.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public long? ReserveMemory { get => reserveMemory; init => reserveMemory = AtLeast(0, value); }

    /// <summary>
    /// Bytes of memory to keep for builds there, 0 or more, by wildcards for the names of derivations; where several match, the largest.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">One is negative.</exception>
    public IReadOnlyDictionary<string, long>? Memory
    {
        get => memory;
        init
        {
            foreach (var need in value?.Values ?? []) _ = AtLeast<long>(0, need);
            memory = value;
        }
    }

    /// <summary>Speed relative to the other builders, above 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is 0, negative or no finite number.</exception>
    public double? SpeedFactor { get => speedFactor; init => speedFactor = AboveZero(value); }

    /// <summary>The load of others for each core, above 0, with which it takes no new builds.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is 0, negative or no finite number.</exception>
    public double? MaxLoad { get => maxLoad; init => maxLoad = AboveZero(value); }

    /// <summary>Bytes that have to be free in its store, and where builds work, for it to take new builds, 0 or more.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public long? MinFreeSpace { get => minFreeSpace; init => minFreeSpace = AtLeast(0, value); }

    /// <summary>Whether it takes new builds only while nobody else uses it.</summary>
    public bool? IdleOnly { get; init; }

    /// <summary>Whether runs use the builder when they are not told otherwise.</summary>
    public bool? Enabled { get; init; }

    /// <summary>Whether it takes no builds, even if it is named; outputs that it has can still be fetched.</summary>
    public bool? Drain { get; init; }

    /// <summary>The systems that it builds for, in place of those that are configured.</summary>
    public IReadOnlyList<string>? System { get; init; }

    /// <summary>Systems that it does not build for, although configured.</summary>
    public IReadOnlyList<string>? ExcludeSystem { get; init; }

    /// <summary>The features that it supports, in place of those that are configured.</summary>
    public IReadOnlyList<string>? Feature { get; init; }

    /// <summary>It takes only derivations whose name matches one of these wildcards.</summary>
    public IReadOnlyList<string>? Match { get; init; }

    /// <summary>It takes no derivation whose name matches one of these wildcards.</summary>
    public IReadOnlyList<string>? Exclude { get; init; }

    /// <summary>Which of its outputs are copied back, unless the run says otherwise.</summary>
    public CopyBack? CopyBack { get; init; }

    /// <summary>The stores that get what it builds, as URIs for <c>nix copy --to</c>, unless the run says otherwise.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is no such URI.</exception>
    public IReadOnlyList<string>? PushTo { get => pushTo; init => pushTo = Stores(value); }

    /// <summary>Which of its outputs go there, unless the run says otherwise.</summary>
    public PushScope? Push { get; init; }

    /// <summary>
    /// Whether it puts what it has built into stores itself, with the keys and credentials that its login has. Else this machine does.
    /// </summary>
    public bool? PushItself { get; init; }

    /// <summary>Bytes per second that are sent to it at most, 1 or more.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public long? MaxUpload { get => maxUpload; init => maxUpload = AtLeast(1, value); }

    /// <summary>Whether it does compiles for builds of other builders, and they for its own.</summary>
    public ShareRole? Share { get; init; }

    /// <summary>Bytes of compiles that stay in its store after a run, to be taken from there by later ones, 0 or more.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public long? ShareMemo { get => shareMemo; init => shareMemo = AtLeast(0, value); }

    /// <summary>The private key file to log in with, instead of the configured one.</summary>
    public string? IdentityFile { get; init; }

    /// <summary>Whether nothing is set.</summary>
    [JsonIgnore]
    public bool IsEmpty => Settings.All(setting => setting.GetValue(this) is null);

    /// <summary>A policy of values by the name of their setting; null: not set.</summary>
    /// <exception cref="ArgumentException">A value is of another type than its setting, or out of its range.</exception>
    public static BuilderPolicy Of(Func<string, object?> value) => Of(setting => value(setting.Name));

    /// <summary>This policy, with the settings of a weaker one where it has none.</summary>
    public BuilderPolicy Over(BuilderPolicy weaker) => Of(setting => setting.GetValue(this) ?? setting.GetValue(weaker));

    /// <summary>Whether this policy hides something that a weaker one sets.</summary>
    public bool Hides(BuilderPolicy weaker) =>
        Settings.Any(setting => setting.GetValue(this) is not null && setting.GetValue(weaker) is not null);

    /// <summary>The builder with its policy applied; <see cref="NixBuilder.Configured"/> stays without.</summary>
    public NixBuilder ApplyTo(NixBuilder builder) => builder.WithPolicy(this);

    /// <summary>The settings as text, e.g. <c>MaxJobs 2, Enabled False</c>; empty where nothing is set.</summary>
    public override string ToString() => ToString(except: []);

    /// <summary>The settings as text, except some.</summary>
    public string ToString(IReadOnlyCollection<string> except) => string.Join(
        ", ",
        Settings.Where(setting => !except.Contains(setting.Name) && setting.GetValue(this) is not null)
            .Select(setting => $"{setting.Name} {Text(setting.GetValue(this)!)}"));

    private static BuilderPolicy Of(Func<PropertyInfo, object?> value)
    {
        var policy = new BuilderPolicy();
        foreach (var setting in Settings)
        {
            setting.SetValue(policy, value(setting), BindingFlags.DoNotWrapExceptions, binder: null, index: null, culture: null);
        }
        return policy;
    }

    private static string Text(object value) => value switch
    {
        IEnumerable<string> list => string.Join(' ', list),
        IEnumerable<KeyValuePair<string, long>> figures => string.Join(
            ' ', figures.Select(figure => string.Create(CultureInfo.InvariantCulture, $"{figure.Key}={figure.Value}"))),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };

    private static IReadOnlyList<string>? Stores(IReadOnlyList<string>? uris, [CallerMemberName] string setting = "")
    {
        foreach (var uri in uris ?? [])
        {
            if (StoreUri.WhyNot(uri) is not { } why) continue;
            throw new ArgumentOutOfRangeException(setting, StoreUri.WithoutSecrets(uri), $"{setting} has no store: {why}.");
        }
        return uris;
    }

    private static double? AboveZero(double? value, [CallerMemberName] string setting = "") =>
        value is { } given && !(double.IsFinite(given) && given > 0)
            ? throw new ArgumentOutOfRangeException(setting, given, $"{setting} is above 0.")
            : value;

    private static T? AtLeast<T>(T least, T? value, [CallerMemberName] string setting = "")
        where T : struct, IComparable<T> =>
        value is { } given && given.CompareTo(least) < 0
            ? throw new ArgumentOutOfRangeException(setting, given, $"{setting} is {least} or more.")
            : value;
}
