using System.Collections;
using System.Globalization;
using System.Text;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Builders;

/// <summary>
/// Nix's settings as it told them last, as long as nothing has changed that they follow from: to ask takes a tenth of a second, and a
/// session asks before each build. Nix itself says which files it reads. Safe for concurrent use.
/// </summary>
/// <param name="runNix">Runs <c>nix</c> with these words.</param>
/// <param name="surroundings">Tells all that settings and their files follow from beside the files, as a text that can be compared.</param>
/// <param name="time">The clock.</param>
internal sealed class RememberedSettings(
    Func<IReadOnlyList<string>, CancellationToken, Task<string>> runNix, Func<string> surroundings, TimeProvider time)
{
    private const int MostFiles = 100;
    private const string SystemFile = "System configuration file:", UserFiles = "User configuration files:";
    private static readonly string[] Include = ["include", "!include"];
    private static readonly string[] Variables = ["NIX_", "XDG_", "HOME=", "USER="];

    private volatile Places? places;
    private volatile Known? known;

    /// <summary>What the settings of this process follow from: the Nix in PATH, and variables.</summary>
    public static string Surroundings()
    {
        var program = ProgramPath.Find("nix") is { } path ? new FileInfo(path) : null;
        program = program?.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? program;
        var variables = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Select(variable => $"{variable.Key}={variable.Value}")
            .Where(variable => Array.Exists(Variables, name => variable.StartsWith(name, StringComparison.Ordinal)))
            .Order(StringComparer.Ordinal);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{program?.FullName} {program?.LastWriteTimeUtc.Ticks} {program?.Length}\n{string.Join('\n', variables)}");
    }

    /// <summary>The settings.</summary>
    /// <exception cref="NixBuildFarmException">As <see cref="NixConfiguration.ReadAsync(CancellationToken)"/>.</exception>
    public async Task<NixConfiguration> ReadAsync(CancellationToken cancellation)
    {
        var around = surroundings();
        if (known is { } earlier && earlier.State == StateOf(around, earlier.Roots, out _)) return earlier.Settings;
        var begun = time.GetUtcNow().UtcDateTime;
        var finding = places is { } found && found.Around == around
            ? Task.FromResult<IReadOnlyList<string>?>(found.Roots)
            : FindFilesAsync(cancellation);
        var settings = await NixConfiguration.ReadAsync(runNix, time, cancellation);
        if (await finding is not { } roots) return settings;
        places = new(around, roots);
        var state = StateOf(around, roots, out var files);
        // What is written while Nix reads may be half of it.
        if (state is not null && files.TrueForAll(file => File.GetLastWriteTimeUtc(file) < begun)) known = new(state, roots, settings);
        return settings;
    }

    /// <summary>The files that Nix reads; null: it does not say.</summary>
    private async Task<IReadOnlyList<string>?> FindFilesAsync(CancellationToken cancellation)
    {
        try
        {
            var lines = (await runNix(["--verbose", "--version"], cancellation)).Split('\n', StringSplitOptions.TrimEntries);
            return Behind(SystemFile) is { Length: > 0 } system && Behind(UserFiles) is { } own
                ? [system, .. own.Split(':', StringSplitOptions.RemoveEmptyEntries)]
                : null;

            string? Behind(string words) =>
                Array.Find(lines, line => line.StartsWith(words, StringComparison.Ordinal))?[words.Length..].Trim();
        }
        catch (Exception e) when (e is NixBuildFarmException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>
    /// All that the settings follow from, the contents of the files and of those that they include; null: that cannot be told.
    /// </summary>
    private static string? StateOf(string around, IReadOnlyList<string> roots, out List<string> files)
    {
        files = [];
        var state = new StringBuilder(around);
        var open = new Queue<string>(roots);
        while (open.TryDequeue(out var file))
        {
            if (files.Contains(file)) continue;
            if (files.Count == MostFiles) return null;
            files.Add(file);
            state.Append('\n').Append(file).Append('\n');
            try
            {
                if (!File.Exists(file)) continue;
                var text = File.ReadAllText(file);
                state.Append(text);
                foreach (var included in IncludedBy(text)) open.Enqueue(Path.Combine(Path.GetDirectoryName(file) ?? "/", included));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                return null;
            }
        }
        return state.ToString();
    }

    private static IEnumerable<string> IncludedBy(string text) =>
        from line in text.Split('\n')
        let words = line.Split('#')[0].Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries)
        where words is [var first, _, ..] && Include.Contains(first)
        select words[1];

    private sealed record Places(string Around, IReadOnlyList<string> Roots);

    private sealed record Known(string State, IReadOnlyList<string> Roots, NixConfiguration Settings);
}
