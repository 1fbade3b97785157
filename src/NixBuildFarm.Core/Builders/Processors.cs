namespace NixBuildFarm.Builders;

/// <summary>Which programs a processor runs without emulation.</summary>
internal static class Processors
{
    // What a processor runs without any help: an older or narrower one of its family.
    private static readonly Dictionary<string, string[]> Relatives = new()
    {
        ["x86_64"] = ["i686", "i586", "i486", "i386"],
        ["aarch64"] = ["armv7l", "armv6l"],
    };

    /// <summary>Whether a machine of one system runs programs of another, or the same, by itself.</summary>
    /// <param name="own">The machine's, e.g. <c>x86_64-linux</c>.</param>
    /// <param name="system">The programs'.</param>
    public static bool RunsItself(string own, string system)
    {
        var (ownProcessor, ownKernel) = Split(own);
        var (processor, kernel) = Split(system);
        return kernel == ownKernel && (processor == ownProcessor || Relatives.GetValueOrDefault(ownProcessor, []).Contains(processor));

        static (string Processor, string Kernel) Split(string text) =>
            text.Split('-', 2) is [var first, var second] ? (first, second) : (text, "");
    }
}
