using System.Collections.Concurrent;
using System.Security.Cryptography;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;
using Tree = NixBuildFarm.Core.Tests.Store.NarTree;

namespace NixBuildFarm.Core.Tests.Compiling;

/// <summary>
/// A farm in this process whose builders have a compiler: <c>home</c>, which alone takes the package, and helpers. The package is built by
/// shims, which a test scripts.
/// </summary>
internal sealed class SharingFarm : IDisposable
{
    private readonly StorePath package;

    /// <summary>Makes a farm.</summary>
    /// <param name="helpers">The names of the helpers.</param>
    public SharingFarm(params IReadOnlyList<string> helpers)
    {
        Farm = new(["home", .. helpers]) { History = Remembered };
        Compiler = Farm.Local.Daemon.Store.AddFile("gcc-12.2.0");
        var wrapper = Farm.Local.Daemon.Store.AddFile("gcc-wrapper-12.2.0", "", Compiler);
        package = Farm.Derivation(
            "package", sources: [wrapper], environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "big" });
        Home.Features = ["big"];
        Home.Program = async (program, stream) =>
        {
            Assert.Equal("broker", program.Trade);
            var broker = new FakeBroker(stream, Greeting);
            Brokers.Enqueue(broker);
            await broker.RunAsync();
        };
        foreach (var machine in helpers.Select(name => Farm[name]).Append(Farm.Local)) machine.Builds(CompileAsync);
        Home.Builds(BuildAtHomeAsync);
    }

    public FakeFarm Farm { get; }

    /// <summary>What is known of what compiles have left.</summary>
    public RememberedCompiles Remembered { get; } = new();

    public FakeMachine Home => Farm["home"];

    public StorePath Compiler { get; }

    public ConcurrentQueue<FakeBroker> Brokers { get; } = new();

    public string Greeting { get; set; } = "nixbuildfarm-broker 1 /run/nixbuildfarm-test\n";

    /// <summary>What building the package takes; null for the broker: it is not shared.</summary>
    public required Func<FakeBroker?, Task> Package { get; init; }

    /// <summary>Called when the package begins to build.</summary>
    public Action? Begun { get; set; }

    /// <summary>What compiling does before it succeeds, by the helper's store.</summary>
    public Func<FakeBuild, Task<BuildResult?>>? OnHelper { get; set; }

    /// <summary>What compiles were done on helpers.</summary>
    public ConcurrentQueue<StorePath> Compiled { get; } = new();

    /// <summary>Builds the package, on home alone; the others help.</summary>
    /// <param name="share">Whether they do.</param>
    /// <param name="on">The builders that take part; none named: all, the local one too.</param>
    public async Task<NixBuildResult> BuildAsync(ShareMode share = ShareMode.Always, params string[] on) =>
        (await Farm.BuildAsync(package, request => request with { Share = share }, on))["package"];

    public void Dispose() => Farm.Dispose();

    private async Task<BuildResult> BuildAtHomeAsync(FakeBuild build)
    {
        var output = build.Derivation!.Outputs["out"].Path!;
        switch (build.Path.Name)
        {
            case "nixbuildfarm-shim.drv": return build.Succeed();
            case "nixbuildfarm-shadow.drv":
                Add(build, output, new Tree.Folder(
                    ("folder", new Tree.File("libexec/gcc/x86_64-linux-gnu/12\n"u8.ToArray())),
                    ("shadow", new Tree.Folder(("cc1", new Tree.Link("/x")), ("cc1plus", new Tree.Link("/x"))))));
                return new() { Status = BuildStatus.Built };
            case "package.drv":
                var isShared = Home.Daemon.Options!.Overrides.ContainsKey(SandboxMappings.Setting);
                Begun?.Invoke();
                await Package(isShared ? Brokers.Last() : null).WaitAsync(build.Cancelled);
                return build.Succeed();
            default: return await CompileAsync(build);
        }
    }

    private async Task<BuildResult> CompileAsync(FakeBuild build)
    {
        if (!build.Path.Name.StartsWith("nixbuildfarm-compile", StringComparison.Ordinal)) return build.Succeed();
        Compiled.Enqueue(build.Path);
        var derivation = build.Derivation!;
        Assert.All(derivation.InputPaths, path => Assert.True(build.Store.IsValid(path), $"{path} is not there."));
        if (OnHelper is not null && await OnHelper(build) is { } other) return other;
        var source = derivation.InputPaths.Where(path => path.Name == "nixbuildfarm-file")
            .Select(path => ContentOf(build.Store.FindNar(path)!)).Single(content => content.AsSpan().StartsWith("int"u8));
        Add(
            build,
            derivation.Outputs["out"].Path!,
            new Tree.Folder(
                ("out", new Tree.File(FakeShim.Compiled(source))), ("rc", new Tree.File("0"u8.ToArray())),
                ("time", new Tree.File("2000000"u8.ToArray()))));
        return new() { Status = BuildStatus.Built };
    }

    /// <summary>Makes an output valid.</summary>
    public static void Add(FakeBuild build, StorePath output, Tree tree)
    {
        var nar = tree.Encode();
        build.Store.Add(new() { Path = output, NarHash = new(SHA256.HashData(nar)), NarSize = nar.Length, Ultimate = true }, nar);
    }

    private static byte[] ContentOf(byte[] nar)
    {
        var reader = new NarTree.Reader(1 << 20);
        reader.Take(nar);
        return ((NarTree.File)reader.Root).Content.ToArray();
    }
}
