using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Builders.Nixos;
using NixBuildFarm.Toml;

namespace NixBuildFarm.Builders;

/// <summary>The forms that builders are written in, as files.</summary>
internal static class BuilderFormats
{
    /// <summary>The form that a file's name stands for.</summary>
    public static NixBuilderFormat Of(string path) => System.IO.Path.GetExtension(path).ToUpperInvariant() switch
    {
        ".NIX" => NixBuilderFormat.NixosModule,
        ".TOML" => NixBuilderFormat.Toml,
        _ => NixBuilderFormat.MachinesList,
    };

    /// <summary>The text of builders.</summary>
    public static string Write(NixBuilderFormat format, IReadOnlyList<NixBuilder> builders) => format switch
    {
        NixBuilderFormat.Toml => TomlMachineList.Write(builders),
        NixBuilderFormat.NixosModule => NixosModuleWriter.Write(builders),
        _ => MachineListWriter.Write(builders),
    };
}
