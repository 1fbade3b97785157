using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>
/// What a NixOS module says of building elsewhere: <c>nix.buildMachines</c>, <c>nix.settings</c> and <c>nix.extraOptions</c> as far as
/// builders are concerned, <c>programs.ssh.extraConfig</c> and <c>programs.ssh.knownHosts</c>. Nix evaluates it, without nixpkgs
/// and before it is deployed; <c>evaluate.nix</c> says what the module gets.
/// </summary>
public sealed partial class NixosModule
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(60);
    private static readonly string Expression = $"({Resource("evaluate.nix")}) ({Resource("lib.nix")})";

    private NixosModule(NixosSettings settings, MachineEntries machines)
    {
        Settings = settings;
        Machines = machines;
    }

    /// <summary>Nix's settings as the module has them.</summary>
    public NixosSettings Settings { get; }

    /// <summary>The builders, and what is wrong with those that are none.</summary>
    public MachineEntries Machines { get; }

    /// <summary>Has Nix evaluate a module.</summary>
    /// <exception cref="NixBuildFarmException">There is no such file, or Nix cannot evaluate it; the message is its own.</exception>
    public static async Task<NixosModule> ReadAsync(string file, CancellationToken cancellation)
    {
        if (!File.Exists(file)) throw new NixBuildFarmException("NixosModuleNotFound", $"There is no NixOS module {file}.", "Check the path.");
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limited.CancelAfter(TimeLimit);
        try
        {
            string[] arguments = ["--eval", "--strict", "--json", "--argstr", "file", file, "--expr", Expression];
            return Parse(await NixCommand.RunAsync("nix-instantiate", arguments, cancellation: limited.Token), file);
        }
        catch (NixBuildFarmException e) when (e.Id == "NixFailed")
        {
            throw new NixBuildFarmException("NixosModuleFailed", $"The NixOS module {file} cannot be evaluated. {e.Message}", RecommendationFor(e.Message), e);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new NixBuildFarmException(
                "NixTimedOut", $"Nix has not evaluated the NixOS module {file} in {TimeLimit.TotalSeconds} s.", "Evaluate it by hand to see what it waits for.");
        }
    }

    /// <summary>Reads what <c>evaluate.nix</c> tells of a module.</summary>
    internal static NixosModule Parse(string json, string file)
    {
        using var document = JsonDocument.Parse(json);
        var told = document.RootElement;
        var settings = NixosSettings.From(told.GetProperty("settings"), told.GetProperty("extraOptions").GetString()!);
        var entries = new List<MachineEntry>();
        var problems = new List<BuilderProblem>();
        if (!told.GetProperty("distributedBuilds").GetBoolean())
        {
            problems.Add(new()
            {
                Severity = ProblemSeverity.Warning,
                Id = "DistributedBuildsOff",
                File = file,
                Line = 1,
                Column = 1,
                Message = "nix.distributedBuilds is not true: once this is deployed, Nix itself will not use these builders",
                Recommendation = "NixBuildFarm uses them all the same.",
            });
        }
        var ssh = Ssh(told, file);
        foreach (var machine in told.GetProperty("buildMachines").EnumerateArray())
        {
            if (new BuildMachineReader(machine, file, problems.Add).Read(ssh, settings.BuildersUseSubstitutes) is { } entry) entries.Add(entry);
        }
        return new(settings, new(entries, problems));
    }

    // programs.ssh.knownHosts, as NixOS writes it to /etc/ssh/ssh_known_hosts.
    private static BuilderSshSettings Ssh(JsonElement told, string file)
    {
        var lines = told.GetProperty("knownHosts").EnumerateArray().Select(host => string.Concat(
            host.GetProperty("certAuthority").GetBoolean() ? "@cert-authority " : "",
            string.Join(',', host.GetProperty("hostNames").EnumerateArray().Select(name => name.GetString())),
            " ",
            host.GetProperty("publicKey").GetString()!.Trim()));
        return new(
            file,
            told.GetProperty("sshConfig").GetString()!,
            [.. lines.SelectMany(line => line.Split('\n'))],
            [.. told.GetProperty("knownHostsFiles").EnumerateArray().Select(path => path.GetString()!)]);
    }

    private static string RecommendationFor(string message) =>
        MissingArgument().Match(message) is { Success: true } argument
            ? $"It asks for “{argument.Groups["name"].Value}”, which only your whole configuration has. Keep the builders in a module of their own, which asks for config and lib at most."
        : MissingAttribute().Match(message) is { Success: true } attribute
            ? $"It uses “{attribute.Groups["name"].Value}”, which is not there without the rest of NixOS. Put nixpkgs in NIX_PATH if it is a function of lib or a package, else keep the builders in a module of their own."
        : message.Contains("needs nixpkgs", StringComparison.Ordinal)
            ? "Put nixpkgs in NIX_PATH, or keep the builders in a module of their own that does without."
        : message.Contains("infinite recursion", StringComparison.Ordinal)
            ? "An option depends on itself; NixOS would refuse it too."
            : "Correct the module; nixos-rebuild would show the same.";

    private static string Resource(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(typeof(NixosModule), name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    [GeneratedRegex("called without required argument '(?<name>[^']+)'", RegexOptions.NonBacktracking)]
    private static partial Regex MissingArgument();

    [GeneratedRegex("attribute '(?<name>[^']+)' missing", RegexOptions.NonBacktracking)]
    private static partial Regex MissingAttribute();
}
