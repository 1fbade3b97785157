using NixBuildFarm.Farm.Tests.Hosts;
using Xunit.Sdk;
using Xunit.v3;

[assembly: AssemblyFixture(typeof(TestFarm))]
// The tests share two cores and three builders.
[assembly: Parallelization(Mode = ParallelMode.None)]

namespace NixBuildFarm.Farm.Tests.Hosts;

/// <summary>
/// The farm that the tests run in: they are processes of its coordinator. Controlled through <c>tests/Farm/farm.sh</c>.
/// </summary>
public sealed class TestFarm
{
    private const string StateFolder = "/run/farm/hosts";
    private const string ModuleFolder = "/opt/NixBuildFarm";
    private readonly string control;

    public TestFarm()
    {
        if (!Directory.Exists(StateFolder))
        {
            throw new InvalidOperationException("These tests need the farm, and are not running in it. Run: ./build.sh test");
        }
        Repository = Environment.GetEnvironmentVariable("NIXBUILDFARM_REPOSITORY")
            ?? throw new InvalidOperationException("NIXBUILDFARM_REPOSITORY is not set: start the tests by tests/Farm/with-farm.sh.");
        control = Path.Combine(Repository, "tests/Farm/farm.sh");
        Coordinator = new FarmHost(this, "coordinator");
        Aquamarine = new FarmHost(this, "aquamarine");
        Ruby = new FarmHost(this, "ruby");
        Kana = new FarmHost(this, "kana");
    }

    /// <summary>The repository's folder, the same in the coordinator as outside.</summary>
    public string Repository { get; }

    public FarmHost Coordinator { get; }

    public FarmHost Aquamarine { get; }

    public FarmHost Ruby { get; }

    public FarmHost Kana { get; }

    /// <summary>The builders that are there from the start.</summary>
    public IReadOnlyList<FarmHost> Builders => [Aquamarine, Ruby, Kana];

    /// <summary>The newest Nix that hosts of this farm have, as <c>farm add --nix</c> names it.</summary>
    public static string NewestNix => Directory.GetDirectories("/run/farm/roots")
        .Select(Path.GetFileName)
        .MaxBy(name => Version.TryParse(name, out var version) ? version : new Version(0, 0))!;

    /// <summary>Adds a builder; <paramref name="options"/> are those of <c>farm add</c>.</summary>
    public async Task<AddedHost> AddAsync(string name, params IEnumerable<string> options)
    {
        await ControlAsync(["add", name, .. options]);
        return new AddedHost(this, name);
    }

    /// <summary>Runs a command on the coordinator as one of its users: root, alice (trusted by its Nix) or mallory (not trusted).</summary>
    public Task<CommandResult> RunAsAsync(string user, params IEnumerable<string> command) =>
        Command.RunAsync(control, ["as", user, .. command]);

    /// <summary>Starts a command on the coordinator as one of its users.</summary>
    public Command StartAs(string user, params IEnumerable<string> command) => Command.Start(control, ["as", user, .. command]);

    /// <summary>Runs a script in a PowerShell of a user that has imported the module.</summary>
    public async Task<CommandResult> PowerShellAsync(string user, string script)
    {
        using var shell = StartPowerShell(user, script);
        return await shell.WaitAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Starts a script in a PowerShell of a user that has imported the module; the test may interrupt it.</summary>
    public Command StartPowerShell(string user, string script) =>
        Command.Start(control, "as", user, "engine-host", "-Command", $"Import-Module {ModuleFolder} -ErrorAction Stop\n{script}");

    /// <summary>Runs the control script; a test that is cancelled still undoes what it did.</summary>
    /// <exception cref="InvalidOperationException">It failed; the message has its output.</exception>
    internal async Task<string> ControlAsync(params IEnumerable<string> arguments)
    {
        using var command = Command.Start(control, arguments);
        var result = await command.WaitAsync(CancellationToken.None);
        return result.Succeeded ? result.Output : throw new InvalidOperationException(result.ToString());
    }
}
