using System.Text.Json;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Evaluation;

/// <summary>Finds names of attributes and flake outputs, with Nix itself, to complete what the user types.</summary>
public static class AttributeNames
{
    // Names only: the kind of an attribute is known only after its evaluation.
    private const string Expression = """
        file: path:
        let
          call = value: if builtins.isFunction value then value { } else value;
          set = builtins.foldl' (value: name: value.${name}) (call (import (/. + file))) path;
        in
        if builtins.isAttrs set && (set.type or "") != "derivation" then builtins.attrNames set else [ ]
        """;

    // The position of the word after these among Nix's own words, of which “nix” is the first.
    private static readonly string[] CompletionWords = ["build", "--extra-experimental-features", "nix-command flakes"];

    /// <summary>The names of the attributes of a file, or of a set within it; none for a derivation.</summary>
    /// <param name="file">The file; a function in it is called without arguments.</param>
    /// <param name="path">The attributes that lead to the set; empty: the file itself.</param>
    /// <param name="cancellation">Ends the evaluation.</param>
    /// <exception cref="NixBuildFarmException">It does not evaluate.</exception>
    public static async Task<IReadOnlyList<string>> OfFileAsync(string file, IReadOnlyList<string> path, CancellationToken cancellation)
    {
        var called = $"({Expression}) {NixLiteral.Of(Path.GetFullPath(file))} [ {string.Join(' ', path.Select(NixLiteral.Of))} ]";
        string[] words = ["eval", "--extra-experimental-features", "nix-command", "--impure", "--json", "--expr", called];
        var printed = await NixCommand.RunAsync("nix", words, cancellation: cancellation);
        return JsonSerializer.Deserialize<string[]>(printed) ?? [];
    }

    /// <summary>Completions of an installable by Nix itself: flakes, and their outputs after <c>#</c>.</summary>
    /// <param name="word">The word so far.</param>
    /// <param name="workingDirectory">The folder that <c>.</c> means.</param>
    /// <param name="cancellation">Ends the evaluation.</param>
    /// <exception cref="NixBuildFarmException">Nix cannot complete.</exception>
    public static async Task<IReadOnlyList<string>> OfInstallableAsync(string word, string workingDirectory, CancellationToken cancellation)
    {
        var environment = new Dictionary<string, string> { ["NIX_GET_COMPLETIONS"] = $"{CompletionWords.Length + 1}" };
        var printed = await NixCommand.RunAsync(
            "nix", [.. CompletionWords, word], workingDirectory, environment, cancellation: cancellation);
        // The first line has the kind of the completions; a description follows a tab.
        return
        [
            .. printed.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Skip(1)
                .Select(line => line.Split('\t')[0])
                .Where(text => text.Length > 0),
        ];
    }
}
