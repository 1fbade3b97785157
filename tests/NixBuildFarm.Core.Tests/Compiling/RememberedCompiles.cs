using System.Collections.Concurrent;
using NixBuildFarm.History;

namespace NixBuildFarm.Core.Tests.Compiling;

/// <summary>A history of what compiles have left, and nothing else.</summary>
internal sealed class RememberedCompiles : NoHistory
{
    private readonly ConcurrentDictionary<(string Builder, string Path), KeptCompile> known = new();

    /// <summary>Runs before something is kept in mind.</summary>
    public Action<IReadOnlyCollection<KeptCompile>>? Keeping { get; set; }

    public override IReadOnlyList<KeptCompile> KeptCompiles(string builder) =>
        [.. known.Where(one => one.Key.Builder == builder).Select(one => one.Value).OrderBy(compile => compile.Path)];

    public override void Keep(string builder, IReadOnlyCollection<KeptCompile> compiles)
    {
        Keeping?.Invoke(compiles);
        foreach (var compile in compiles) known[(builder, compile.Path)] = compile;
    }

    public override void Forget(string builder, IReadOnlyCollection<string> paths)
    {
        foreach (var path in paths) known.TryRemove((builder, path), out _);
    }
}
