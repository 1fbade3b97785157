using System.Management.Automation;
using System.Text.Json;
using NixBuildFarm.EngineHost;
using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests.Builders;

/// <summary>
/// A session with the module on a machine of which the test says how Nix is configured: a program <c>nix</c> in PATH
/// prints these settings. The user's own policies are out of reach.
/// </summary>
internal sealed class MachineSession : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("machine").FullName;
    private readonly Dictionary<string, string?> outside = [];
    private readonly RecordingSession session;

    public MachineSession(string machines = "")
    {
        Directory.CreateDirectory(Path.Combine(folder, "bin"));
        Machines = WriteFile("machines", machines);
        var settings = new Dictionary<string, object>
        {
            ["builders"] = "@" + Machines,
            ["system"] = "x86_64-linux",
            ["extra-platforms"] = new[] { "i686-linux" },
            ["max-jobs"] = 4,
            ["system-features"] = new[] { "kvm" },
        };
        var json = WriteFile("settings.json", JsonSerializer.Serialize(settings.ToDictionary(s => s.Key, s => new { value = s.Value })));
        Nix($"exec cat {json}");
        SetEnvironment("PATH", $"{folder}/bin:{Environment.GetEnvironmentVariable("PATH")}");
        SetEnvironment("XDG_CONFIG_HOME", Path.Combine(folder, "config"));
        session = RecordingSession.WithModule();
    }

    /// <summary>The list that Nix is configured with.</summary>
    public string Machines { get; }

    public string PolicyFile => Path.Combine(folder, "config", "nixbuildfarm", "policy.json");

    public RecordingUserInterface Screen => session.Screen;

    /// <summary>Makes the program <c>nix</c> of this machine.</summary>
    public void Nix(string script)
    {
        var program = WriteFile("bin/nix", $"#!/bin/sh\n{script}\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public string WriteFile(string name, string text)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    public ScriptResult Run(string script, params IEnumerable<object?> arguments) => session.Run(script, arguments);

    public RunningScript Start(string script) => session.Start(script);

    public string Show(string script) => session.Show(script);

    /// <summary>Runs a script that has to go without errors, and gives a property of each of its objects.</summary>
    public IEnumerable<object?> Values(string script, string property)
    {
        var result = session.Run(script);
        Assert.Null(result.TerminatingError);
        Assert.Empty(result.Errors);
        return result.Output.Select(o => o.Properties[property].Value);
    }

    /// <summary>The names of the objects of a script that has to go without errors.</summary>
    public IEnumerable<object?> Names(string script) => Values(script, "Name");

    /// <summary>What the Tab key offers at the end of a line.</summary>
    public IReadOnlyList<CompletionResult> Complete(string line) =>
        [.. session.Run("(TabExpansion2 $args[0] $args[0].Length).CompletionMatches", line).OutputAs<CompletionResult>()];

    public void Dispose()
    {
        session.Run("Reset-NixBuilderPolicy -All -Scope Session");
        session.Dispose();
        foreach (var (name, value) in outside) Environment.SetEnvironmentVariable(name, value);
        Directory.Delete(folder, recursive: true);
    }

    private void SetEnvironment(string name, string value)
    {
        outside[name] = Environment.GetEnvironmentVariable(name);
        Environment.SetEnvironmentVariable(name, value);
    }
}

/// <summary>The environment and the session's policies belong to the process: these tests run one after another.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class MachineGroup
{
    public const string Name = "machine";
}
