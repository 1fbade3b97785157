using System.Runtime.InteropServices;

namespace NixBuildFarm.Scheduling;

/// <summary>What the direct inputs of a derivation tell of its build.</summary>
/// <param name="Tools">What it is built with.</param>
/// <param name="Packages">How many of them are packages rather than sources and patches.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct BuildInputs(BuildTools Tools, int Packages)
{
    private static readonly (string Prefix, BuildTools Tool)[] Known =
    [
        ("llvm-", BuildTools.Llvm), ("clang-", BuildTools.Llvm), ("cargo-", BuildTools.Rust), ("rustc-", BuildTools.Rust),
        ("gfortran-", BuildTools.Fortran), ("boost-", BuildTools.Boost), ("cmake-", BuildTools.CMake), ("meson-", BuildTools.Meson),
    ];

    private static readonly string[] SourceEndings =
    [
        ".patch", ".diff", ".gz", ".xz", ".bz2", ".lz", ".zip", ".tgz", ".sh", ".crate", ".json", ".lock", ".txt", ".asc", "source", "-src",
    ];

    /// <summary>Whether a name is one of a source or a patch.</summary>
    public static bool IsSource(string name) =>
        Array.Exists(SourceEndings, ending => name.EndsWith(ending, StringComparison.Ordinal));

    /// <summary>Of the names of all direct inputs, without <c>.drv</c>.</summary>
    public static BuildInputs Of(IEnumerable<string> names)
    {
        var (tools, packages) = (BuildTools.None, 0);
        foreach (var name in names)
        {
            if (IsSource(name)) continue;
            packages++;
            foreach (var (prefix, tool) in Known)
            {
                if (name.StartsWith(prefix, StringComparison.Ordinal)) tools |= tool;
            }
        }
        return new(tools, packages);
    }
}

/// <summary>Inputs that tell how long what they are used for takes.</summary>
[Flags]
internal enum BuildTools
{
    /// <summary>None of them.</summary>
    None = 0,

    /// <summary>LLVM or Clang.</summary>
    Llvm = 1,

    /// <summary>Rust.</summary>
    Rust = 2,

    /// <summary>GNU Fortran.</summary>
    Fortran = 4,

    /// <summary>The libraries of C++ of this name.</summary>
    Boost = 8,

    /// <summary>CMake.</summary>
    CMake = 16,

    /// <summary>Meson.</summary>
    Meson = 32,
}
