using System.Management.Automation;
using NixBuildFarm.EngineHost;
using NixBuildFarm.EngineHost.Recording;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>A PowerShell session on the coordinator, with state and configuration of its own, and derivations to build.</summary>
public sealed class BuildSession : IDisposable
{
    private readonly RecordingSession session;
    private readonly string gate = $"/tmp/gate-{Guid.NewGuid():n}";

    public BuildSession()
    {
        Folder = Directory.CreateTempSubdirectory("nixbuildfarm-build-").FullName;
        Environment.SetEnvironmentVariable("XDG_STATE_HOME", Path.Combine(Folder, "state"));
        Environment.SetEnvironmentVariable("XDG_CONFIG_HOME", Path.Combine(Folder, "config"));
        KeepPolicyOfUser();
        session = RecordingSession.WithModule();
        // Where several farms share two cores, a builder that is well may take longer than a user waits for it.
        session.Run("$global:PSDefaultParameterValues['Test-NixBuilder:TimeoutSec'] = 60");
        session.Engine.Session.Path.SetLocation(Folder);
    }

    /// <summary>The policy that tests/Farm gives its users: it lets builders take builds at any load.</summary>
    private void KeepPolicyOfUser()
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        var folder = Directory.CreateDirectory(Path.Combine(Folder, "config", "nixbuildfarm"), Private);
        var users = Path.Combine(
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".config", "nixbuildfarm", "policy.json");
        File.Copy(users, Path.Combine(folder.FullName, "policy.json"));
    }

    /// <summary>The current folder of the session; goes with it.</summary>
    public string Folder { get; }

    /// <summary>Where runs keep their logs.</summary>
    public string LogFolder => Path.Combine(Folder, "state", "nixbuildfarm", "logs");

    /// <summary>What runs remember.</summary>
    public string HistoryFile => Path.Combine(Folder, "state", "nixbuildfarm", "history.db");

    /// <summary>What a build that is held has among its arguments, and nothing else has.</summary>
    public string Mark { get; } = $"0.2{Random.Shared.Next(1_000_000):d6}1";

    /// <summary>
    /// Writes <c>NAME.nix</c> in the current folder. Within it <c>package NAME SCRIPT INPUTS</c> is a derivation, whose
    /// script finds its inputs in <c>$inputs</c>, and <c>attrs</c> adds attributes to one. Each file has outputs of its own. A script that
    /// begins with <c>held</c> waits until <see cref="ReleaseAsync"/> lets it go on.
    /// </summary>
    public void Write(string name, string expression) => File.WriteAllText(
        Path.Combine(Folder, name + ".nix"),
        $$"""
        let
          attrs = more: name: script: inputs: derivation ({
            inherit name inputs;
            system = "x86_64-linux";
            builder = "/bin/sh";
            args = [ "-euc" ("PATH=/bin:/usr/bin\nread -r host < /proc/sys/kernel/hostname\n" + script) ];
            nonce = "{{Guid.NewGuid()}}";
          } // more);
          package = attrs { };
          held = "until [ -e {{gate}} ]; do sleep {{Mark}}; done\n";
          sleep = seconds: "sleep ${toString seconds}; echo $name on $host > $out";
          many = count: make: builtins.genList make count;
        in
        {{expression}}
        """);

    /// <summary>Lets the builds go on that are held on some hosts, and those that come.</summary>
    public async Task ReleaseAsync(params IEnumerable<FarmHost> hosts)
    {
        foreach (var host in hosts) await host.ExecAsync("touch", gate);
    }

    /// <summary>
    /// Closes the connections that runs have left to each other, as removing the module does, and goes on with a module loaded anew.
    /// </summary>
    public void LogOut() => session.Run("Remove-Module NixBuildFarm; Import-Module $args[0]", RecordingSession.ModuleManifest);

    /// <summary>Runs a script to its end.</summary>
    public BuildOutput Run(string script) => new(session.Run(script));

    /// <summary>Starts a script.</summary>
    public RunningScript Start(string script) => session.Start(script);

    /// <summary>What a person sees of a script.</summary>
    public string Show(string script) => session.Show(script);

    public void Dispose()
    {
        // The next test's machines are to be reached anew, whatever it does to them.
        session.Run("Remove-Module NixBuildFarm");
        session.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}

/// <summary>What came of a script that builds.</summary>
public sealed class BuildOutput(ScriptResult script)
{
    public ScriptResult Script { get; } = script;

    /// <summary>One per derivation.</summary>
    public IReadOnlyList<BuildLine> Results { get; } =
    [
        .. script.Output.Where(o => o.Properties["DerivationPath"] is not null).Select(o => new BuildLine(o)),
    ];

    public BuildLine this[string name] => Assert.Single(Results, result => result.Name == name);

    public IEnumerable<string?> BuildersUsed => Results.Select(result => result.Builder).Distinct().Order();

    /// <summary>All errors, terminating or not, and what to do about each, as text.</summary>
    public string Errors =>
        string.Join(
            '\n',
            Script.Errors.Append(Script.TerminatingError)
                .OfType<ErrorRecord>()
                .Select(e => $"{e.FullyQualifiedErrorId}: {e} {e.ErrorDetails?.RecommendedAction}"));

    /// <summary>All warnings, as text.</summary>
    public string Warnings => string.Join('\n', Script.Warnings);

    /// <summary>Fails unless everything was built, and nothing was complained of.</summary>
    public BuildOutput Succeeded()
    {
        Assert.True(Errors.Length == 0, Errors);
        Assert.NotEmpty(Results);
        Assert.All(Results, result => Assert.True(result.Success, result.ToString()));
        return this;
    }
}

/// <summary>A result as a script sees it.</summary>
public sealed class BuildLine(PSObject result)
{
    public string Name => Text("Name")!;

    public string Derivation => Text("DerivationPath")!;

    public string Status => Text("Status")!;

    public string? Builder => Text("Builder");

    public string? Error => Text("Error");

    public string? LogPath => Text("LogPath");

    public bool Success => (bool)result.Properties["Success"].Value;

    public bool IsRequested => (bool)result.Properties["IsRequested"].Value;

    public DateTimeOffset? Started => (DateTimeOffset?)result.Properties["Started"].Value;

    public TimeSpan Duration => (TimeSpan)result.Properties["Duration"].Value;

    public long Supplied => (long)result.Properties["Supplied"].Value;

    /// <summary>
    /// How many compiles others did, how many of all had been done before, and what that saved, if it is known; null: it was not shared.
    /// </summary>
    public (int Shared, int Reused, TimeSpan? Saved)? SharedCompiles => result.Properties["SharedCompiles"].Value is { } value
        && PSObject.AsPSObject(value).Properties is var shared
        ? ((int)shared["Shared"].Value, (int)shared["Reused"].Value, (TimeSpan?)shared["Saved"].Value)
        : null;

    public IReadOnlyList<string> Attempts => [.. ((IEnumerable<object>)result.Properties["Attempts"].Value).Select(a => a.ToString()!)];

    /// <summary>The stores that get its outputs, and whether they have them.</summary>
    public IReadOnlyList<string> Pushes => [.. ((IEnumerable<object>)result.Properties["Pushes"].Value).Select(push => push.ToString()!)];

    /// <summary>The path of the output <c>out</c>.</summary>
    public string Output => ((IReadOnlyDictionary<string, string>)result.Properties["Outputs"].Value)["out"];

    public override string ToString() => $"{Status} {Name} {Builder} {Error}";

    private string? Text(string property) => result.Properties[property].Value?.ToString();
}
