using System.Text.Json;
using System.Text.RegularExpressions;

namespace NixBuildFarm.Evaluation;

/// <summary>
/// The derivations of a value: itself, or, where it is a set or a list, those in it. A set within it is looked into where it says
/// <c>recurseForDerivations = true</c>, or where it has nothing but derivations and such sets. Where all names of a set are systems
/// (<c>checks</c> of a flake), the systems that are wanted count, and the others are not evaluated.
/// </summary>
/// <param name="Derivations">The derivations, with their default outputs.</param>
/// <param name="OtherSystems">Systems that are in the value and are not wanted.</param>
/// <param name="Kind">The kind of the value, in Nix's words: <c>set</c>, <c>list</c>, <c>string</c> …</param>
internal sealed partial record DerivationSet(
    IReadOnlyList<RequestedDerivation> Derivations, IReadOnlyList<string> OtherSystems, string Kind)
{
    // Deeper sets of derivations hardly exist; sets that contain themselves do.
    private const int DeepestSet = 8;

    /// <summary>A function of Nix that describes a value in JSON.</summary>
    /// <param name="systems">The systems that are wanted; empty: all.</param>
    /// <param name="arguments">Arguments for functions: the expression of a set. A function gets those that it names.</param>
    /// <param name="isOfFile">
    /// Whether the rules are those of <c>nix-build</c>: only a set that says so is looked into, and all outputs are meant.
    /// </param>
    public static string Expression(IEnumerable<string> systems, string arguments = "{ }", bool isOfFile = false) => $$"""
        value:
        let
          inherit (builtins) all attrNames concatMap elem filter functionArgs head intersectAttrs isAttrs isFunction isList match typeOf;
          wanted = [ {{string.Join(' ', systems.Where(system => Word().IsMatch(system)).Select(system => $"\"{system}\""))}} ];
          isOfFile = {{(isOfFile ? "true" : "false")}};
          isSystem = name: match ".+-(linux|darwin|cygwin|windows|none|wasi|(free|net|open)bsd[0-9]*|solaris|redox|genode)" name != null;
          isBySystem = set: set != { } && all isSystem (attrNames set);
          isWanted = set: name: name != "recurseForDerivations" && (wanted == [ ] || !isBySystem set || elem name wanted);
          namesOf = set: filter (isWanted set) (attrNames set);
          isDerivation = value: isAttrs value && (value.type or null) == "derivation";
          hasOnlyDerivations = depth: set: depth > 0 && all (name: isDerivation set.${name} || isLookedInto (depth - 1) set.${name}) (namesOf set);
          isLookedInto = depth: value: isAttrs value && (value.recurseForDerivations or (!isOfFile && hasOnlyDerivations depth value));
          outputsOf = derivation:
            if derivation.outputSpecified or false || (derivation.outputName or "out") != head (derivation.outputs or [ (derivation.outputName or "out") ])
            then [ derivation.outputName ]
            else if isOfFile then [ ]
            else derivation.meta.outputsToInstall or [ (derivation.outputName or "out") ];
          called = value: if isFunction value then value (intersectAttrs (functionArgs value) {{arguments}}) else value;
          derivationsOf = value:
            if isDerivation value then [ { path = value.drvPath; outputs = outputsOf value; } ]
            else concatMap (name: if isDerivation value.${name} || isLookedInto {{DeepestSet}} value.${name} then derivationsOf value.${name} else [ ]) (namesOf value);
          othersOf = value: if isDerivation value || !isAttrs value then [ ]
            else if isBySystem value then filter (name: !isWanted value name) (attrNames value) else [ ];
          asked = called value;
        in {
          kind = typeOf asked;
          otherSystems = othersOf asked;
          derivations =
            if isAttrs asked then derivationsOf asked
            else if isList asked then concatMap (item: let value = called item; in if isAttrs value then derivationsOf value else [ ]) asked
            else [ ];
        }
        """;

    /// <summary>Parses the function's result.</summary>
    /// <exception cref="JsonException">It is something else.</exception>
    public static DerivationSet Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        return new(
            [.. root.GetProperty("derivations").EnumerateArray().Select(Read)],
            [.. Strings(root.GetProperty("otherSystems"))],
            root.GetProperty("kind").GetString()!);
    }

    private static RequestedDerivation Read(JsonElement derivation) =>
        InstallableResolver.ParseDerivationPath(derivation.GetProperty("path").GetString()!) is { } parsed
            ? parsed with { Outputs = [.. Strings(derivation.GetProperty("outputs"))] }
            : throw new JsonException("It has a path that is none of a derivation.");

    private static IEnumerable<string> Strings(JsonElement list) => list.EnumerateArray().Select(item => item.GetString()!);

    [GeneratedRegex("^[A-Za-z0-9_.-]+$", RegexOptions.NonBacktracking)]
    private static partial Regex Word();
}
