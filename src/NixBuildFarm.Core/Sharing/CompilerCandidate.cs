using NixBuildFarm.Store;

namespace NixBuildFarm.Sharing;

/// <summary>A compiler among the inputs of a build, and the program that calls it. Whether it is one is found out by having the shim built with it.</summary>
/// <param name="Wrapper">The path with <c>bin/gcc</c>.</param>
/// <param name="Compiler">The path with <c>libexec/gcc</c>.</param>
internal sealed record CompilerCandidate(StorePath Wrapper, StorePath Compiler)
{
    private const string WrapperMark = "gcc-wrapper";

    // Further outputs of a compiler, and what it brings along: they are no compiler themselves.
    private static readonly string[] Parts = ["-lib", "-libgcc", "-man", "-info", "-doc", "-dev"];

    /// <summary>Looks for compilers.</summary>
    /// <param name="closure">All that a build may read, with what each path refers to.</param>
    /// <returns>The candidates, in the order of their paths.</returns>
    public static IReadOnlyList<CompilerCandidate> Among(IEnumerable<PathInfo> closure) =>
    [
        .. from wrapper in closure
           where wrapper.Path.Name.Contains(WrapperMark, StringComparison.Ordinal) && !IsPart(wrapper.Path)
           from compiler in wrapper.References
           where compiler != wrapper.Path && IsCompiler(compiler)
           orderby wrapper.Path, compiler
           select new CompilerCandidate(wrapper.Path, compiler),
    ];

    private static bool IsCompiler(StorePath path) =>
        (path.Name.StartsWith("gcc-", StringComparison.Ordinal) || path.Name.Contains("-gcc-", StringComparison.Ordinal))
        && !path.Name.Contains(WrapperMark, StringComparison.Ordinal) && !IsPart(path);

    private static bool IsPart(StorePath path) => Parts.Any(part => path.Name.EndsWith(part, StringComparison.Ordinal));
}
