using System.Runtime.InteropServices;

namespace NixBuildFarm.Platform;

/// <summary>The system of this machine, in Nix's words.</summary>
public static class OwnSystem
{
    /// <summary>Such as <c>x86_64-linux</c>.</summary>
    public static string Name { get; } = $"{Processor}-{(OperatingSystem.IsMacOS() ? "darwin" : "linux")}";

    private static string Processor => RuntimeInformation.OSArchitecture switch
    {
        Architecture.X64 => "x86_64",
        Architecture.X86 => "i686",
        Architecture.Arm64 => "aarch64",
        Architecture.Arm => "armv7l",
        var other => other.ToString().ToLowerInvariant(),
    };
}
