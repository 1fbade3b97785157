using System.Collections;
using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Store;
using NixBuildFarm.Text;

namespace NixBuildFarm.Copying;

/// <summary>Store paths in arguments: texts, files within them, links such as <c>result</c>, outputs of our cmdlets.</summary>
internal static class StorePathArgument
{
    private const int MostLinks = 40; // as Linux follows at most

    /// <summary>The store paths that are meant.</summary>
    /// <param name="argument">The argument.</param>
    /// <param name="fileOf">Finds a file as the session names it.</param>
    /// <exception cref="NixBuildFarmException">It is, or leads to, no store path.</exception>
    public static IEnumerable<StorePath> Read(object argument, Func<string, string> fileOf) =>
        (argument is PSObject wrapped ? wrapped.BaseObject : argument) switch
        {
            FileSystemInfo file => [Find(file.FullName)],
            string text => [Find(text.StartsWith(StorePath.StoreFolder + "/", StringComparison.Ordinal) ? text : fileOf(text))],
            // Results and copies, also such as come from a job or a file.
            var _ when PropertyBag.Bare(PropertyBag.Property(argument, nameof(NixBuildResult.Outputs))) is IDictionary outputs =>
                outputs.Values.Cast<object>().Select(path => StorePath.Parse(PropertyBag.Text(path))),
            var _ when PropertyBag.TextProperty(argument, nameof(NixStorePathCopy.Path)) is { } path => [Find(path)],
            var other => throw NoStorePath(other.ToString() ?? ""),
        };

    private static StorePath Find(string file)
    {
        var path = file;
        for (var links = 0; links < MostLinks; links++)
        {
            if (Within(path) is { } found) return found;
            if (new FileInfo(path).LinkTarget is not { } target) break;
            path = System.IO.Path.GetFullPath(target, System.IO.Path.GetDirectoryName(path) ?? "/");
        }
        throw NoStorePath(file);
    }

    /// <summary>The store path that a file is, or is in.</summary>
    private static StorePath? Within(string file)
    {
        var end = file.StartsWith(StorePath.StoreFolder + "/", StringComparison.Ordinal)
            ? file.IndexOf('/', StorePath.StoreFolder.Length + 1)
            : -1;
        return StorePath.TryParse(end < 0 ? file : file[..end], out var path) ? path : null;
    }

    private static NixBuildFarmException NoStorePath(string given) => new(
        "NotAStorePath", $"“{TerminalText.Strip(given)}” is no store path, and no link to one.",
        $"Give a path below {StorePath.StoreFolder}, or a link such as result.");
}
