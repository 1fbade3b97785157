using NixBuildFarm.Errors;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>
/// A system of a flake, one of its <c>nixosConfigurations</c> or <c>darwinConfigurations</c>, as nixos-rebuild names it: <c>FLAKE#NAME</c>.
/// </summary>
/// <param name="Url">The flake, as <c>builtins.getFlake</c> takes it.</param>
/// <param name="Name">The system's name.</param>
public sealed record FlakeSystem(string Url, string Name)
{
    private static readonly string[] Sets = ["nixosConfigurations.", "darwinConfigurations."];

    /// <summary>This machine's name, without its domain.</summary>
    public static string ThisMachine => Environment.MachineName.Split('.')[0];

    /// <summary>Reads <c>FLAKE#NAME</c>. Without a name it is that of this machine.</summary>
    /// <param name="text">What was given.</param>
    /// <param name="toFullPath">Makes a path absolute.</param>
    /// <exception cref="NixBuildFarmException">It is a folder without a flake.</exception>
    public static FlakeSystem Parse(string text, Func<string, string> toFullPath)
    {
        var fragment = text.IndexOf('#', StringComparison.Ordinal);
        var (flake, name) = fragment < 0 ? (text, "") : (text[..fragment], text[(fragment + 1)..]);
        foreach (var set in Sets.Where(set => name.StartsWith(set, StringComparison.Ordinal))) name = name[set.Length..];
        name = name.Trim('"');
        return new(IsPath(flake) ? UrlOfPath(flake, toFullPath) : flake, name.Length > 0 ? name : ThisMachine);
    }

    /// <summary>The flake's folder that a file is in; null: none.</summary>
    internal static string? FolderOf(string file) =>
        Above(Path.GetDirectoryName(Path.GetFullPath(file))).FirstOrDefault(folder => File.Exists(Path.Combine(folder, "flake.nix")));

    /// <summary>A folder as a flake: of Git where it is in a repository, so that only its tracked files are looked at.</summary>
    internal static string UrlOf(string folder)
    {
        // A repository's .git is a folder, and a worktree's a file.
        var root = Above(folder).FirstOrDefault(above => Path.Exists(Path.Combine(above, ".git")));
        if (root is null) return $"path:{Escaped(folder)}";
        return folder == root
            ? $"git+file://{Escaped(root)}"
            : $"git+file://{Escaped(root)}?dir={Escaped(Path.GetRelativePath(root, folder))}";
    }

    /// <summary>As it can be given again.</summary>
    public override string ToString() => $"{Url}#{Name}";

    private static bool IsPath(string flake) => flake.Length == 0 || flake[0] is '.' or '/' or '~';

    private static string UrlOfPath(string flake, Func<string, string> toFullPath)
    {
        var folder = Path.TrimEndingDirectorySeparator(toFullPath(flake.Length == 0 ? "." : flake));
        if (Path.GetFileName(folder) == "flake.nix") folder = Path.GetDirectoryName(folder)!;
        return File.Exists(Path.Combine(folder, "flake.nix"))
            ? UrlOf(folder)
            : throw new NixBuildFarmException(
                "FlakeNotFound", $"There is no flake.nix in {folder}.", "Name the folder of a flake, e.g. -Flake /etc/nixos#HOST.");
    }

    private static IEnumerable<string> Above(string? folder)
    {
        for (; folder is not null; folder = Path.GetDirectoryName(folder)) yield return folder;
    }

    private static string Escaped(string path) => string.Join('/', path.Split('/').Select(Uri.EscapeDataString));
}
