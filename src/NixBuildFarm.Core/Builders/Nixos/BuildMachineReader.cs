using System.Text.Json;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>
/// Reads one element of <c>nix.buildMachines</c>, with the options that NixOS knows (nixos/modules/config/nix-remote-build.nix of
/// nixpkgs), and makes of it what NixOS writes to <c>/etc/nix/machines</c>.
/// </summary>
internal sealed class BuildMachineReader
{
    private const string HostName = "hostName";
    private static readonly string[] FieldNames = [HostName, "systems", "sshKey", "maxJobs", "speedFactor", "supportedFeatures", "mandatoryFeatures", "publicHostKey"];
    private static readonly string[] Options = [.. FieldNames, "protocol", "system", "sshUser"];

    private readonly IReadOnlyDictionary<string, Option> options;
    private readonly bool isSet;
    private readonly Place start;
    private readonly Action<BuilderProblem> report;
    private bool failed;

    public BuildMachineReader(JsonElement machine, string module, Action<BuilderProblem> report)
    {
        this.report = report;
        isSet = machine.GetProperty("isSet").GetBoolean();
        options = machine.GetProperty("fields").EnumerateObject().ToDictionary(field => field.Name, field => new Option(field.Value, module));
        start = options.Values.Select(option => option.Place).OrderBy(place => place.Line).ThenBy(place => place.Column).FirstOrDefault() ?? new(module, 1, 1);
    }

    /// <summary>The entry; null when something is wrong with it.</summary>
    public MachineEntry? Read(BuilderSshSettings ssh, bool? usesSubstitutes)
    {
        if (!isSet)
        {
            Fail(null, "InvalidBuildMachine", "an element of nix.buildMachines is no set", "Write { hostName = \"ruby\"; systems = [ \"x86_64-linux\" ]; }.");
            return null;
        }
        foreach (var name in options.Keys.Except(Options))
        {
            var close = CloseNames.To(name, Options);
            Fail(name, "UnknownOption", "nix.buildMachines has no such option", close.Count > 0 ? $"Did you mean {string.Join(" or ", close)}?" : $"It has {string.Join(", ", Options)}.");
        }
        var host = Text(HostName);
        var protocol = options.ContainsKey("protocol") ? Text("protocol") : "ssh";
        var user = Text("sshUser");
        var systems = Text("system") is { } one ? [one] : Texts("systems");
        var mandatory = Texts("mandatoryFeatures");
        (MachineField Field, string Option, string? Text)[] texts =
        [
            (MachineField.Uri, HostName, string.Concat(protocol is null ? "" : protocol + "://", user is null ? "" : user + "@", host)),
            (MachineField.Systems, options.ContainsKey("system") ? "system" : "systems", string.Join(',', systems)),
            (MachineField.IdentityFile, "sshKey", Text("sshKey")),
            (MachineField.MaxJobs, "maxJobs", Number("maxJobs")),
            (MachineField.SpeedFactor, "speedFactor", Number("speedFactor")),
            (MachineField.SupportedFeatures, "supportedFeatures", string.Join(',', Texts("supportedFeatures").Union(mandatory))),
            (MachineField.MandatoryFeatures, "mandatoryFeatures", string.Join(',', mandatory)),
            (MachineField.HostKey, "publicHostKey", Text("publicHostKey")),
        ];
        if (!failed && string.IsNullOrEmpty(host)) Fail(HostName, "MissingHostName", "there is no host name", "Write hostName = \"ruby\";");
        if (!failed && systems.Count == 0) Fail("systems", "MissingSystems", "no system is named", "NixOS wants it too: systems = [ \"x86_64-linux\" ];");
        if (failed) return null;
        return new()
        {
            Source = start.File,
            Line = start.Line,
            Column = start.Column,
            FieldNames = FieldNames,
            IsHostKeyEncoded = true,
            UsesSubstitutes = usesSubstitutes,
            Ssh = ssh,
            Fields = texts.Where(text => !string.IsNullOrEmpty(text.Text)).ToDictionary(
                text => text.Field, text => new MachineFieldText(text.Text!, PlaceOf(text.Option).Line, PlaceOf(text.Option).Column)),
        };
    }

    private string? Text(string name) => Value(name, "a text", JsonValueKind.String)?.GetString();

    private string? Number(string name) => Value(name, "a number", JsonValueKind.Number)?.GetRawText();

    private IReadOnlyList<string> Texts(string name)
    {
        if (Value(name, "a list of texts", JsonValueKind.Array) is not { } list) return [];
        if (list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)) return [.. list.EnumerateArray().Select(item => item.GetString()!)];
        Fail(name, "InvalidOptionType", "an element of the list is no text", $"Write {name} = [ \"…\" \"…\" ];");
        return [];
    }

    /// <summary>The value of an option; null where it is not set, or <c>null</c>, or not what is expected.</summary>
    private JsonElement? Value(string name, string expected, JsonValueKind kind)
    {
        if (!options.TryGetValue(name, out var option) || option.Type == "null") return null;
        if (option.Value is { } value && value.ValueKind == kind) return value;
        if (option.Value is null) Fail(name, "InvalidOption", "its value cannot be evaluated", "Correct the module.");
        else Fail(name, "InvalidOptionType", $"this is {Described(option.Type)}, and {expected} is expected", null);
        return null;
    }

    private static string Described(string type) => type switch
    {
        "int" or "float" => "a number",
        "bool" => "true or false",
        "string" => "a text",
        _ => $"a {type}",
    };

    private Place PlaceOf(string option) => options.TryGetValue(option, out var found) ? found.Place : start;

    private void Fail(string? option, string id, string message, string? recommendation)
    {
        failed = true;
        var place = option is null ? start : PlaceOf(option);
        report(new()
        {
            Severity = ProblemSeverity.Error,
            Id = id,
            File = place.File,
            Line = place.Line,
            Column = place.Column,
            Field = option is null ? null : Printable.Text(option),
            Message = message,
            Recommendation = recommendation,
        });
    }

    private sealed record Place(string File, int Line, int Column);

    /// <summary>An option as evaluate.nix tells it: its type, its value unless that fails, and where it is set.</summary>
    private sealed class Option
    {
        public Option(JsonElement told, string module)
        {
            Type = told.GetProperty("type").GetString()!;
            Value = told.TryGetProperty("value", out var value) ? value : null;
            Place = told.GetProperty("place") is { ValueKind: JsonValueKind.Object } place
                ? new(place.GetProperty("file").GetString()!, place.GetProperty("line").GetInt32(), place.GetProperty("column").GetInt32())
                : new(module, 1, 1);
        }

        public string Type { get; }

        public JsonElement? Value { get; }

        public Place Place { get; }
    }
}
