namespace NixBuildFarm.Ssh.Configuration;

/// <summary>The parts of this process and its user that affect SSH; passed in, so that nothing else reads them.</summary>
internal sealed record SshEnvironment
{
    /// <summary>The login name here, which is also the default login name there.</summary>
    public required string User { get; init; }

    /// <summary>The home folder, which <c>~</c> means in file names.</summary>
    public required string Home { get; init; }

    /// <summary>Options that the user gives every <c>ssh</c> of Nix: the words of <c>NIX_SSHOPTS</c>.</summary>
    public IReadOnlyList<string> SshOptions { get; init; } = [];

    /// <summary>The socket of the key agent; null: none.</summary>
    public string? AgentSocket { get; init; }

    /// <summary>Any other variable of the environment, by name.</summary>
    public Func<string, string?> Variable { get; init; } = Environment.GetEnvironmentVariable;

    /// <summary>The environment of this process.</summary>
    public static SshEnvironment OfProcess() => new()
    {
        User = Environment.UserName,
        Home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
        SshOptions = Words(Environment.GetEnvironmentVariable("NIX_SSHOPTS")),
        AgentSocket = Environment.GetEnvironmentVariable("SSH_AUTH_SOCK") is { Length: > 0 } socket ? socket : null,
    };

    private static string[] Words(string? text) =>
        text?.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
}
