using System.Text;
using NixBuildFarm.Builders.Nixos;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Builders.Listing;

/// <summary>All builders that this machine knows: itself and those of its machines list, or of another source.</summary>
public sealed class BuilderInventory
{
    private const string BuildersSetting = "builders setting";
    private const string DefaultFile = "/etc/nix/machines";
    private const string DefaultSetting = "@" + DefaultFile;
    private const int LongestFile = 4 * 1024 * 1024;

    private BuilderInventory(NixConfiguration configuration, MachineList list)
    {
        Configuration = configuration;
        Problems = list.Problems;
        Listed = list.Builders;
        var local = list.Builders.FirstOrDefault(b => b.IsLocal) ?? LocalBuilder.From(configuration);
        Builders = [local, .. list.Builders.Where(b => !b.IsLocal)];
    }

    /// <summary>Nix's settings on this machine.</summary>
    public NixConfiguration Configuration { get; }

    /// <summary>The local machine, then the others in the order of the list; as configured, without policy.</summary>
    public IReadOnlyList<NixBuilder> Builders { get; }

    /// <summary>The builders of the list or module, in its order; the local machine only if it is listed.</summary>
    public IReadOnlyList<NixBuilder> Listed { get; }

    /// <summary>Problems with the list.</summary>
    public IReadOnlyList<BuilderProblem> Problems { get; }

    /// <summary>Reads Nix's settings and the builders.</summary>
    /// <param name="source">Where the builders are described.</param>
    /// <param name="readToml">Reads a list in TOML, from its text and its source.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <param name="settings">Nix's settings, where somebody reads them already; null: they are read.</param>
    /// <exception cref="NixBuildFarmException">Nix is missing or refuses, or the file of <paramref name="source"/> cannot be read or
    /// evaluated.</exception>
    public static async Task<BuilderInventory> ReadAsync(
        BuilderSource source, Func<string, string, MachineEntries> readToml, CancellationToken cancellation,
        Task<NixConfiguration>? settings = null)
    {
        var configuration = await (settings ?? NixConfiguration.ReadAsync(cancellation));
        if (source.NixosModule is { } file)
        {
            return Read(configuration, await NixosModule.ReadAsync(Path.GetFullPath(file), source.ModuleArguments, cancellation), readToml);
        }
        if (source.System is { } system) return Read(configuration, await NixosModule.ReadAsync(system, cancellation), readToml);
        // A pipe can keep its reader waiting for good, and opening one cannot be cancelled: it is left behind.
        return await Task.Run(() => Read(configuration, source.List, ReadFile, readToml), cancellation).WaitAsync(cancellation);
    }

    internal static BuilderInventory Read(
        NixConfiguration configuration, string? listFile, Func<string, string?> readFile, Func<string, string,
        MachineEntries>? readToml = null)
    {
        var local = LocalBuilder.From(configuration);
        if (listFile is not null)
        {
            var source = Path.GetFullPath(listFile);
            return new BuilderInventory(configuration, MachineList.Parse(ReadList(source, readFile), source, local, readFile, readToml));
        }
        // Nix's default names a file that is missing where nobody has set up builders: no reason for a warning.
        var isDefault = configuration.Builders == DefaultSetting;
        return new BuilderInventory(
            configuration,
            MachineList.Parse(
                configuration.Builders,
                BuildersSetting,
                local,
                path => readFile(path) ?? (isDefault && path == DefaultFile ? "" : null),
                readToml));
    }

    internal static BuilderInventory Read(
        NixConfiguration configuration, NixosModule module, Func<string, string, MachineEntries>? readToml = null)
    {
        var deployed = module.Settings.Over(configuration);
        // NixOS makes the file of Nix's own default of nix.buildMachines.
        return new(
            deployed,
            MachineList.FromModule(module, LocalBuilder.From(deployed), path => path == DefaultFile ? "" : ReadFile(path), readToml));
    }

    private static string ReadList(string path, Func<string, string?> readFile)
    {
        try
        {
            return readFile(path)
                ?? throw new NixBuildFarmException("MachineListNotFound", $"There is no machines list {path}.", "Check the path.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException(
                "MachineListUnreadable", $"The machines list {path} cannot be read: {e.Message}", "Check the file and its permissions.", e);
        }
    }

    private static string? ReadFile(string path)
    {
        try
        {
            // Not File.ReadAllText, which has no limit: the list may be a pipe, or /dev/zero.
            using var reader = new StreamReader(path);
            var text = new StringBuilder();
            var part = new char[16 * 1024];
            while (reader.Read(part) is > 0 and var count)
            {
                text.Append(part, 0, count);
                if (text.Length > LongestFile) throw new IOException($"It is longer than {LongestFile} characters.");
            }
            return text.ToString();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }
}
