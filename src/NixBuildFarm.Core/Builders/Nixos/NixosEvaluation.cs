using System.Reflection;
using System.Text.Json;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>
/// Lets Nix evaluate the options of a module or system that describe builders. A part that fails is left out, and the others are evaluated
/// again: the language can catch only <c>throw</c>, and most mistakes are of another kind.
/// </summary>
internal sealed class NixosEvaluation
{
    private const string Marker = "trace: nixbuildfarm ";
    private const string TraceHint = "(use '--show-trace' to show detailed location information)";
    private static readonly TimeSpan ModuleLimit = TimeSpan.FromSeconds(60);

    // A system's inputs may have to be downloaded first.
    private static readonly TimeSpan SystemLimit = TimeSpan.FromMinutes(15);

    private static readonly string Parts =
        $"{{ functions = ({Resource("lib.nix")}); modules = ({Resource("modules.nix")}); tell = ({Resource("tell.nix")}); }}";

    private readonly string subject;
    private readonly IReadOnlyList<string> arguments;
    private readonly TimeSpan limit;
    private string? part;

    private NixosEvaluation(string subject, string expression, IReadOnlyList<string> arguments, TimeSpan limit)
    {
        this.subject = subject;
        this.limit = limit;
        this.arguments =
        [
            "--eval", "--strict", "--json", "--extra-experimental-features", "nix-command flakes", .. arguments,
            "--expr", $"({Resource(expression)}) {Parts}",
        ];
    }

    /// <summary>The parts that cannot be evaluated.</summary>
    public EvaluationFailures Failures { get; } = new();

    /// <summary>The evaluation of a module.</summary>
    /// <param name="file">The module.</param>
    /// <param name="moreArguments">More arguments of modules, as a set in the language of Nix; null: none.</param>
    public static NixosEvaluation OfModule(string file, string? moreArguments)
    {
        var given = new List<string> { "--argstr", "file", file, "--argstr", "hostName", FlakeSystem.ThisMachine };
        if (moreArguments is not null) given.AddRange(["--arg", "arguments", moreArguments]);
        if (FlakeSystem.FolderOf(file) is { } folder)
        {
            given.AddRange(["--argstr", "flake", FlakeSystem.UrlOf(folder)]);
            if (FlakeLock.NixpkgsInStore(folder) is { } nixpkgs) given.AddRange(["--argstr", "nixpkgsOfFlake", nixpkgs]);
        }
        return new($"The NixOS module {file}", "evaluate.nix", given, ModuleLimit);
    }

    /// <summary>The evaluation of a whole system.</summary>
    public static NixosEvaluation OfSystem(FlakeSystem system) =>
        new($"The system {system}", "system.nix", ["--argstr", "flake", system.Url, "--argstr", "name", system.Name], SystemLimit);

    /// <summary>The result of <c>tell.nix</c>, as JSON.</summary>
    /// <exception cref="NixBuildFarmException">Nix cannot evaluate it at all; the message is its own.</exception>
    public async Task<string> RunAsync(CancellationToken cancellation)
    {
        using var limited = new SilenceWatch(limit, TimeProvider.System, cancellation);
        while (true)
        {
            try
            {
                part = null;
                return await NixCommand.RunAsync(
                    "nix-instantiate", [.. arguments, "--arg", "skip", Skip()], listen: Listen, cancellation: limited.Token);
            }
            catch (NixBuildFarmException e) when (e.Id == "NixFailed")
            {
                if (part is null || !Failures.Add(part, e.Message)) throw Failed(e.Message, e);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                throw new NixBuildFarmException(
                    "NixTimedOut", $"{subject} has not been evaluated by Nix in {limit.TotalSeconds} s.",
                    "Evaluate it by hand to see what it waits for.");
            }
        }
    }

    /// <summary>The error of a module that cannot be evaluated at all.</summary>
    public NixBuildFarmException Failed(string message, Exception? inner = null) =>
        new(
            "NixosModuleFailed", $"{subject} cannot be evaluated. {message.Replace(TraceHint, "", StringComparison.Ordinal).Trim()}",
            EvaluationFailures.Recommendation(message), inner);

    private string? Listen(string line)
    {
        if (!line.StartsWith(Marker, StringComparison.Ordinal)) return line;
        part = JsonSerializer.Deserialize<string>(line[Marker.Length..]);
        return null;
    }

    private string Skip() => $"[ {string.Concat(Failures.Parts.Select(name => NixosModuleWriter.Quote(name) + " "))}]";

    private static string Resource(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(typeof(NixosEvaluation), name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
