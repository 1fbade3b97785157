using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Builders.Policies;

namespace NixBuildFarm.Builders;

/// <summary>How a builder's daemon is spoken to.</summary>
public enum StoreScheme
{
    /// <summary>This machine's own store.</summary>
    Local,

    /// <summary><c>ssh://</c>: the list asks for the old protocol. We speak the worker protocol where the builder can.</summary>
    Ssh,

    /// <summary><c>ssh-ng://</c>: the worker protocol over SSH.</summary>
    SshNg,
}

/// <summary>A machine that builds: this machine, or one that is reached over SSH.</summary>
public sealed class NixBuilder
{
    /// <summary>The name of the local machine.</summary>
    public const string LocalName = "local";

    private readonly int maxJobs = 1;
    private readonly double speedFactor = 1;
    private readonly bool enabled = true;
    private readonly NameList systems = new([]);
    private readonly NameList supportedFeatures = new([]);
    private readonly NameList mandatoryFeatures = new([]);
    private readonly string? identityFile;
    private int? cores;

    /// <summary>
    /// The name for users: the host name as configured, or <c>local</c>. Unique within a list; <see cref="MachineList"/> says how further
    /// builders of one host are called.
    /// </summary>
    public required string Name { get; init; }

    /// <summary>The host as configured, an alias of ssh_config or an address; <c>localhost</c> for the local machine.</summary>
    public required string HostName { get; init; }

    /// <summary>The store URI as configured, e.g. <c>ssh-ng://nix@ruby</c>.</summary>
    public required string Uri { get; init; }

    /// <summary>The URI's scheme.</summary>
    public StoreScheme Scheme { get; init; } = StoreScheme.SshNg;

    /// <summary>Platforms it builds, native first, e.g. <c>x86_64-linux, riscv64-linux</c>. The policy's, else as configured.</summary>
    public required IReadOnlyList<string> Systems
    {
        get =>
            NameList.Of(Policy.ExcludeSystem is { } excluded ? [.. (Policy.System ?? systems).Except(excluded)] : Policy.System ?? systems);
        init => systems = NameList.Of(value);
    }

    /// <summary>The processor part of each system, native first, for <c>Where-Object Arch -eq riscv64</c>.</summary>
    public string[] Arch => Systems.Select(s => s.Split('-')[0]).Distinct().ToArray();

    /// <summary>Builds at a time; 0: none. The policy's, else as configured.</summary>
    public int MaxJobs { get => Policy.MaxJobs ?? maxJobs; init => maxJobs = value; }

    /// <summary>
    /// Cores of the machine, where known (the local one, or after a test); the policy's, where it says how many builds may use.
    /// </summary>
    public int? Cores { get => Policy.Cores ?? cores; init => cores = value; }

    /// <summary>Cores that builds may use: without those that the policy reserves; null where they are not known.</summary>
    public int? BuildCores => Cores is { } all ? Math.Max(1, all - (Policy.Reserve ?? 0)) : null;

    /// <summary>Speed relative to the other builders: the policy's, else as configured; learnt speeds replace it.</summary>
    public double SpeedFactor { get => Policy.SpeedFactor ?? speedFactor; init => speedFactor = value; }

    /// <summary>Its features, e.g. <c>kvm</c>, <c>big-parallel</c>. The policy's, else as configured.</summary>
    public IReadOnlyList<string> SupportedFeatures
    {
        get => NameList.Of(Policy.Feature ?? supportedFeatures);
        init => supportedFeatures = NameList.Of(value);
    }

    /// <summary>It takes only derivations that require all of these.</summary>
    public IReadOnlyList<string> MandatoryFeatures { get => mandatoryFeatures; init => mandatoryFeatures = NameList.Of(value); }

    /// <summary>The login name; null: that of ssh_config, else the current user.</summary>
    public string? User { get; init; }

    /// <summary>The port; null: that of ssh_config, else 22.</summary>
    public int? Port { get; init; }

    /// <summary>The private key file: the policy's, else as configured; null: that of ssh_config.</summary>
    public string? IdentityFile { get => Policy.IdentityFile ?? identityFile; init => identityFile = value; }

    /// <summary>The expected host key as a line <c>TYPE BASE64 [comment]</c>; null: known_hosts decides.</summary>
    public string? HostKey { get; init; }

    /// <summary>The program to run on the builder instead of <c>nix-daemon</c> (URI parameter <c>remote-program</c>).</summary>
    public IReadOnlyList<string> RemoteProgram { get; init; } = [];

    /// <summary>The store to open there (URI parameter <c>remote-store</c>).</summary>
    public string? RemoteStore { get; init; }

    /// <summary>The most connections at a time (URI parameter <c>max-connections</c>); null: as many as are needed.</summary>
    public int? MaxConnections { get; init; }

    /// <summary>Whether SSH compresses (URI parameter <c>compress</c>).</summary>
    public bool Compress { get; init; }

    /// <summary>Whether it may fetch from its own substituters; null: as Nix's setting <c>builders-use-substitutes</c> says.</summary>
    public bool? UsesSubstitutes { get; init; }

    /// <summary>Settings for SSH in its source; null: none.</summary>
    public BuilderSshSettings? Ssh { get; init; }

    /// <summary>Whether this is the machine that the cmdlet runs on.</summary>
    public bool IsLocal => Scheme == StoreScheme.Local;

    /// <summary>Whether runs use it when they are not told otherwise. The policy's, else as configured.</summary>
    public bool Enabled { get => Policy.Enabled ?? enabled; init => enabled = value; }

    /// <summary>Whether it was asked for by its very name: then runs use it even where it is disabled.</summary>
    public bool IsNamed { get; private set; }

    /// <summary>The user's policy, which overrides the configuration; empty where there is none.</summary>
    public BuilderPolicy Policy { get; private set; } = BuilderPolicy.Empty;

    /// <summary>The builder as it is configured, without any policy.</summary>
    public NixBuilder Configured => WithPolicy(BuilderPolicy.Empty);

    /// <summary>Where it was configured: file and line, or the setting's name.</summary>
    public required string Source { get; init; }

    /// <summary>The same builder under another policy, which replaces the one it has.</summary>
    public NixBuilder WithPolicy(BuilderPolicy policy)
    {
        var builder = (NixBuilder)MemberwiseClone();
        builder.Policy = policy;
        return builder;
    }

    /// <summary>
    /// Further entries of a list for the same machine, e.g. with other systems: they share its slots and its connections.
    /// </summary>
    internal IReadOnlyList<NixBuilder> OtherEntries { get; private set; } = [];

    /// <summary>
    /// Takes entries that are one machine together: those with one address, login, key and store. The first stands for all of them.
    /// </summary>
    internal static IReadOnlyList<NixBuilder> ByMachine(IReadOnlyList<NixBuilder> builders) =>
    [
        .. builders.GroupBy(builder => builder.IsLocal
            ? (object)NixBuilder.LocalName
            : (builder.HostName.ToUpperInvariant(), builder.User, builder.Port, builder.RemoteStore, builder.IdentityFile, builder.HostKey))
            .Select(
                entries =>
                    entries.ToArray() is [var only] ? only : entries.First().With([.. entries.Skip(1).DistinctBy(entry => entry.Name)])),
    ];

    private NixBuilder With(IReadOnlyList<NixBuilder> others)
    {
        var builder = (NixBuilder)MemberwiseClone();
        builder.OtherEntries = [.. others.Where(other => other.Name != Name)];
        return builder;
    }

    /// <summary>The same builder, asked for by its very name.</summary>
    public NixBuilder Named()
    {
        var builder = (NixBuilder)MemberwiseClone();
        builder.IsNamed = true;
        return builder;
    }

    /// <summary>The same builder, now that its machine is known; cores that were known before stay.</summary>
    public NixBuilder WithMachine(BuilderMachine machine)
    {
        var builder = (NixBuilder)MemberwiseClone();
        builder.cores ??= machine.Cores;
        return builder;
    }

    /// <summary>The local store if this machine builds nothing: outputs are copied back to it.</summary>
    internal static NixBuilder LocalStore { get; } = new()
    {
        Name = LocalName,
        HostName = "localhost",
        Uri = "auto",
        Scheme = StoreScheme.Local,
        Systems = [],
        MaxJobs = 0,
        Source = "the local store",
    };

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
