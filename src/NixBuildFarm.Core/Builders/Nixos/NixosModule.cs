using System.Text.Json;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>
/// The builders in a NixOS module or a whole system: <c>nix.buildMachines</c>, <c>lix.buildMachines</c>, <c>nix.settings</c> and
/// <c>nix.extraOptions</c> as far as builders are concerned, nix-darwin's <c>nix.linux-builder</c>, and their settings for SSH. Nix
/// evaluates it before it is deployed; <c>evaluate.nix</c> says which arguments a module gets.
/// </summary>
public sealed class NixosModule
{
    private const string BuildMachines = "nix.buildMachines";
    private const string LixMachines = "lix.buildMachines";
    private const int MostSwitches = 3;

    // The module of Lix writes its machines to the store, and sets the setting to that file, which need not be there yet.
    private const string FileOfLix = "@/nix/store/";

    private readonly JsonElement told;
    private readonly EvaluationFailures failures;
    private readonly List<BuilderProblem> problems = [];

    private NixosModule(JsonElement told, string source, EvaluationFailures failures)
    {
        this.told = told;
        this.failures = failures;
        Source = source;
        Settings = NixosSettings.From(ReadSettings(), Text(told.GetProperty("extraOptions")));
        Machines = ReadMachines();
    }

    /// <summary>The file, or the system.</summary>
    public string Source { get; }

    /// <summary>Nix's settings as the module has them.</summary>
    public NixosSettings Settings { get; }

    /// <summary>The machines list of the setting <c>builders</c>; null: none but the file that is made of <see cref="Machines"/>.</summary>
    public string? BuildersSetting =>
        Settings.Builders is { } builders && builders.StartsWith(FileOfLix, StringComparison.Ordinal)
            && told.GetProperty("lixMachines").GetArrayLength() > 0
            ? null
            : Settings.Builders;

    /// <summary>The builders, and problems with the other entries.</summary>
    public MachineEntries Machines { get; }

    /// <summary>Has Nix evaluate a module.</summary>
    /// <param name="file">The module; a folder is its <c>default.nix</c>.</param>
    /// <param name="arguments">More arguments of modules, as a set in the language of Nix; null: none.</param>
    /// <param name="cancellation">Ends the evaluation.</param>
    /// <exception cref="NixBuildFarmException">There is no such file, or Nix cannot evaluate it; the message is its own.</exception>
    public static async Task<NixosModule> ReadAsync(string file, string? arguments, CancellationToken cancellation)
    {
        if (Directory.Exists(file)) file = Path.Combine(file, "default.nix");
        if (!File.Exists(file))
        {
            throw new NixBuildFarmException("NixosModuleNotFound", $"There is no NixOS module {file}.", "Check the path.");
        }
        if (Path.GetFileName(file) == "flake.nix")
        {
            throw new NixBuildFarmException(
                "NixosModuleIsFlake", $"{file} is a flake, not a NixOS module.",
                $"Name one of its systems: -Flake {Path.GetDirectoryName(file)}#HOST.");
        }
        return await ReadAsync(NixosEvaluation.OfModule(file, arguments), file, cancellation);
    }

    /// <summary>Has Nix evaluate a whole system of a flake.</summary>
    /// <exception cref="NixBuildFarmException">There is no such system, or Nix cannot evaluate it; the message is its own.</exception>
    public static Task<NixosModule> ReadAsync(FlakeSystem system, CancellationToken cancellation) =>
        ReadAsync(NixosEvaluation.OfSystem(system), system.ToString(), cancellation);

    private static async Task<NixosModule> ReadAsync(NixosEvaluation evaluation, string source, CancellationToken cancellation)
    {
        using var document = JsonDocument.Parse(await evaluation.RunAsync(cancellation));
        var module = new NixosModule(document.RootElement.Clone(), source, evaluation.Failures);
        // Where there are no builders because they cannot be evaluated, that is the end, and no warning beside others.
        return module.Machines.Entries.Count == 0 && module.BuildersSetting is null
            && evaluation.Failures.MessageOf(BuildMachines, LixMachines) is { } message
            ? throw evaluation.Failed(message)
            : module;
    }

    private MachineEntries ReadMachines()
    {
        var ssh = ReadSsh();
        var entries = new List<MachineEntry>();
        var nixMachines = told.GetProperty("buildMachines").EnumerateArray().ToList();
        var lixMachines = told.GetProperty("lixMachines").EnumerateArray().ToList();
        foreach (var machine in nixMachines) Add(BuildMachineReader.Read(Told(machine)));
        foreach (var machine in lixMachines) Add(LixMachineReader.Read(Told(machine), machine.GetProperty("name").GetString()!));
        if (nixMachines.Count + lixMachines.Count == 0 && Settings.Builders is null
            && failures.MessageOf(BuildMachines, LixMachines, "nix.settings") is null)
        {
            // For a file without builders, other problems would only distract.
            const string Empty = "it describes no builders: nix.buildMachines, lix.buildMachines and nix.settings.builders are empty";
            return new([], [Problem(ProblemSeverity.Warning, "NoBuilders", Empty, Hint())]);
        }
        foreach (var list in new[] { BuildMachines, LixMachines }.Where(list => failures.ReasonOf(list) is not null))
        {
            problems.Add(Problem(
                ProblemSeverity.Error, "InvalidOption", $"{list} cannot be evaluated: {failures.ReasonOf(list)}",
                failures.RecommendationFor(list)));
        }
        if (nixMachines.Count > 0 && !(Value(told.GetProperty("distributedBuilds")) is { ValueKind: JsonValueKind.True }))
        {
            problems.Insert(0, Problem(
                ProblemSeverity.Warning, "DistributedBuildsOff",
                "nix.distributedBuilds is not true: once this is deployed, Nix itself will not use these builders",
                "NixBuildFarm uses them all the same."));
        }
        return new(entries, problems);

        ToldMachine Told(JsonElement machine) => new(machine, Source, failures, problems.Add);

        void Add(MachineEntry? entry)
        {
            if (entry is not null) entries.Add(entry with { Ssh = ssh, UsesSubstitutes = Settings.BuildersUseSubstitutes });
        }
    }

    private Dictionary<string, JsonElement> ReadSettings() => told.GetProperty("settings").EnumerateObject()
        .Select(setting => (setting.Name, Value: Value(setting.Value)))
        .Where(setting => setting.Value is { ValueKind: not JsonValueKind.Null })
        .ToDictionary(setting => setting.Name, setting => setting.Value!.Value);

    // programs.ssh.knownHosts, as NixOS writes it to /etc/ssh/ssh_known_hosts.
    private BuilderSshSettings ReadSsh()
    {
        var lines = told.GetProperty("knownHosts").EnumerateArray().Select(Value).OfType<JsonElement>().Select(host => string.Concat(
            host.GetProperty("certAuthority").GetBoolean() ? "@cert-authority " : "",
            string.Join(',', host.GetProperty("hostNames").EnumerateArray().Select(name => name.GetString())),
            " ",
            host.GetProperty("publicKey").GetString()!.Trim()));
        var files = Value(told.GetProperty("knownHostsFiles")) is { ValueKind: JsonValueKind.Array } list
            ? list.EnumerateArray().Select(path => path.ToString()) : [];
        return new(
            Source,
            string.Join('\n', told.GetProperty("sshConfig").EnumerateArray().Select(Text).Where(text => text.Length > 0)),
            [.. lines.SelectMany(line => line.Split('\n'))],
            [.. files]);
    }

    private string Text(JsonElement part) => Value(part) is { ValueKind: JsonValueKind.String } text ? text.GetString()! : "";

    /// <summary>The value of a part; a warning where it cannot be evaluated.</summary>
    private JsonElement? Value(JsonElement part)
    {
        if (part.TryGetProperty("value", out var value)) return value;
        var name = part.GetProperty("part").GetString()!;
        problems.Add(Problem(
            ProblemSeverity.Warning, "OptionNotEvaluated", $"{name} cannot be evaluated, and is left out: {failures.ReasonOf(name)}",
            failures.RecommendationFor(name)));
        return null;
    }

    /// <summary>Where the builders may be.</summary>
    private string Hint()
    {
        var hints = told.GetProperty("hints");
        if (Hints("flakeModules") is { Count: > 0 } modules)
        {
            return $"It is a part of a flake that makes modules ({string.Join(", ", modules)}): name a system that has them, e.g. -Flake "
                + ".#HOST.";
        }
        return Hints("switches") is { Count: > 0 } switches
            ? "It has switches that are off "
                + $"({string.Join(", ", switches.Take(MostSwitches))}{(switches.Count > MostSwitches ? " …" : "")}): name a module that "
                + "imports it and sets them."
            : "Name the module that has them, or a whole system with -Flake.";

        List<string> Hints(string name) =>
            hints.TryGetProperty(name, out var hint) && hint.TryGetProperty("value", out var list)
                ? [.. list.EnumerateArray().Select(item => item.GetString()!)]
                : [];
    }

    private BuilderProblem Problem(ProblemSeverity severity, string id, string message, string recommendation) => new()
    {
        Severity = severity,
        Id = id,
        File = Source,
        Line = 1,
        Column = 1,
        Message = message,
        Recommendation = recommendation,
    };
}
