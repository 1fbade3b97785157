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

/// <summary>A machine that builds: this one, or one that is reached over SSH.</summary>
public sealed class NixBuilder
{
    /// <summary>The name of the local machine.</summary>
    public const string LocalName = "local";

    /// <summary>What the user calls it: the host name as configured, or <c>local</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The host as configured, an alias of ssh_config or an address; <c>localhost</c> for the local machine.</summary>
    public required string HostName { get; init; }

    /// <summary>The store URI as configured, e.g. <c>ssh-ng://nix@ruby</c>.</summary>
    public required string Uri { get; init; }

    /// <summary>What the URI's scheme says.</summary>
    public StoreScheme Scheme { get; init; } = StoreScheme.SshNg;

    /// <summary>Platforms it builds, native first, e.g. <c>x86_64-linux, riscv64-linux</c>.</summary>
    public required IReadOnlyList<string> Systems { get; init; }

    /// <summary>The processor part of each system, native first: what <c>Where-Object Arch -eq riscv64</c> compares with.</summary>
    public string[] Arch => Systems.Select(s => s.Split('-')[0]).Distinct().ToArray();

    /// <summary>Builds at a time; 0: none.</summary>
    public int MaxJobs { get; init; } = 1;

    /// <summary>Cores of the machine, where known (the local one, or after a test).</summary>
    public int? Cores { get; init; }

    /// <summary>Speed relative to the other builders, as configured; learnt speeds replace it.</summary>
    public double SpeedFactor { get; init; } = 1;

    /// <summary>What it can do beyond plain builds, e.g. <c>kvm</c>, <c>big-parallel</c>.</summary>
    public IReadOnlyList<string> SupportedFeatures { get; init; } = [];

    /// <summary>It takes only derivations that require all of these.</summary>
    public IReadOnlyList<string> MandatoryFeatures { get; init; } = [];

    /// <summary>The login name; null: what ssh_config says, else the current user.</summary>
    public string? User { get; init; }

    /// <summary>The port; null: what ssh_config says, else 22.</summary>
    public int? Port { get; init; }

    /// <summary>The private key file; null: what ssh_config says.</summary>
    public string? IdentityFile { get; init; }

    /// <summary>The expected host key as a line <c>TYPE BASE64 [comment]</c>; null: known_hosts decides.</summary>
    public string? HostKey { get; init; }

    /// <summary>The program to run on the builder instead of <c>nix-daemon</c> (URI parameter <c>remote-program</c>).</summary>
    public IReadOnlyList<string> RemoteProgram { get; init; } = [];

    /// <summary>The store to open there (URI parameter <c>remote-store</c>).</summary>
    public string? RemoteStore { get; init; }

    /// <summary>Whether SSH compresses (URI parameter <c>compress</c>).</summary>
    public bool Compress { get; init; }

    /// <summary>Whether this is the machine that the cmdlet runs on.</summary>
    public bool IsLocal => Scheme == StoreScheme.Local;

    /// <summary>Whether runs use it when they are not told otherwise.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Where it was configured: file and line, or the setting's name.</summary>
    public required string Source { get; init; }

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
