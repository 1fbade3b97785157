using System.Management.Automation;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Sharing;

/// <summary>
/// Hosts with the gcc toolchain that <c>tests/Farm/toolchain/make.sh</c> makes, and a session that shares the compiles of builds among
/// them.
/// </summary>
public sealed class ShimFarm(TestFarm farm) : IAsyncDisposable
{
    private readonly string toolchain = Path.Combine(farm.Repository, "out/toolchain");
    private readonly List<AddedHost> hosts = [];
    private (string Attribute, int Units) written;

    /// <summary>What Nix alone makes of each: its bits do not hang on the tag that makes another derivation of it.</summary>
    private static readonly Dictionary<(string Attribute, int Units), string> PlainHashes = [];

    public BuildSession Session { get; } = new();

    /// <summary>Whether the toolchain is there: where Debian's packages cannot be had, it is not.</summary>
    public bool HasToolchain => File.Exists(Path.Combine(toolchain, "recipe"));

    /// <summary>The host beryl: only it builds what <see cref="WriteAsync"/> writes, one compile at a time.</summary>
    public Task<AddedHost> AddHomeAsync(params IEnumerable<string> options) =>
        AddAsync("beryl", ["--slots", "1", "--features", "home", "--conf", "system-features = home", "--conf", "cores = 1", .. options]);

    /// <summary>The host coral, which helps with four compiles at a time, and is there before the build begins.</summary>
    public Task<AddedHost> AddHelperAsync(params IEnumerable<string> options) =>
        AddAsync("coral", ["--sandbox", "--slots", "4", "--features", "help", "--conf", "system-features = help", .. options]);

    private async Task<AddedHost> AddAsync(string name, IEnumerable<string> options)
    {
        var host = await farm.AddAsync(name, ["--closure", Path.Combine(toolchain, "closure"), .. options]);
        hosts.Add(host);
        return host;
    }

    /// <summary>
    /// Writes <c>NAME.nix</c>: one of the derivations of <c>tests/Farm/toolchain/packages.nix</c>, which nobody has built yet.
    /// </summary>
    /// <param name="name">The file.</param>
    /// <param name="attribute">The derivation.</param>
    /// <param name="units">How many units the generated program has.</param>
    public async Task WriteAsync(string name, string attribute, int units = 20)
    {
        written = (attribute, units);
        await ImportAsync(farm);
        await File.WriteAllTextAsync(Path.Combine(Session.Folder, name + ".nix"), ExpressionOf(farm, attribute, units));
    }

    /// <summary>
    /// Nix's words for one of these derivations. Only a builder with the feature home can build it, and it needs something small of one
    /// with the feature help, which so is there before its first compile.
    /// </summary>
    public static string ExpressionOf(TestFarm farm, string attribute, int units)
    {
        var made = Path.Combine(farm.Repository, "out/toolchain");
        return $$"""
            (import {{farm.Repository}}/tests/Farm/toolchain/packages.nix {
              gcc = "{{Read("gcc")}}"; wrapper = "{{Read("gcc-wrapper")}}"; sources = {{made}}/sources;
              shimSource = {{farm.Repository}}/src/NixBuildFarm.Core/Sharing/shim;
              tag = "{{Guid.NewGuid()}}"; features = [ "home" ]; helper = "help"; units = {{units}};
            }).{{attribute}}
            """;

        string Read(string name) => File.ReadAllText(Path.Combine(made, name)).Trim();
    }

    /// <summary>The hash of what Nix alone makes, on the coordinator, of what was written last.</summary>
    /// <param name="build">A build of it.</param>
    public async Task<string> PlainHashAsync(BuildLine build)
    {
        if (PlainHashes.TryGetValue(written, out var known)) return known;
        var output = await Command.RunAsync(
            "nix-store",
            "--realise",
            build.Derivation,
            "--builders",
            "",
            "--option",
            "sandbox",
            "true",
            "--option",
            "system-features",
            "home help",
            "--cores",
            "2");
        Assert.True(output.Succeeded, output.ToString());
        return PlainHashes[written] = await HashAsync(farm.Coordinator, output.Output.Trim());
    }

    /// <summary>The hash of an output on the host that made it.</summary>
    public Task<string> HashAsync(BuildLine build) => HashAsync(hosts.Single(host => host.Name == build.Builder), build.Output);

    /// <summary>
    /// Fails unless each store has what it had: a file over which something is mounted would be empty. And nothing of a broker is left.
    /// </summary>
    public async Task NothingIsHarmedAsync()
    {
        foreach (var host in hosts)
        {
            var verified = await host.ExecAsync("bash", "-c", "nix-store --verify --check-contents 2>&1");
            Assert.DoesNotContain("modified", verified);
            Assert.Contains("checking store hashes", verified);
            await NoBrokerIsLeftAsync(host);
        }
    }

    /// <summary>Fails where a broker has left something; the locks of slots stay.</summary>
    public static async Task NoBrokerIsLeftAsync(FarmHost host) => Assert.Equal(
        "",
        await host.ExecAsync(
            "bash", "-c",
            "find /run/nixbuildfarm-* /tmp/nixbuildfarm-* -path /tmp/nixbuildfarm-slots -prune -o -print 2> /dev/null || true"));

    /// <summary>How many compiles of a build others did.</summary>
    public static int Shared(BuildOutput build, string name)
    {
        var result = Assert.Single(build.Script.Output, line => $"{line.Properties["Name"]?.Value}" == name);
        return result.Properties["SharedCompiles"].Value is { } compiles
            ? (int)PSObject.AsPSObject(compiles).Properties["Shared"].Value
            : 0;
    }

    public async ValueTask DisposeAsync()
    {
        Session.Dispose();
        foreach (var host in hosts) await host.DisposeAsync();
    }

    private static async Task<string> HashAsync(FarmHost host, string path) =>
        (await host.ExecAsync("nix-store", "--query", "--hash", path)).Trim();

    /// <summary>Has the toolchain in the store of the coordinator, once for all tests: a root keeps it there.</summary>
    public static async Task ImportAsync(TestFarm farm)
    {
        var import = await Command.RunAsync(
            "bash",
            "-euc",
            """
            [ ! -e /nix/var/nix/gcroots/toolchain ] || exit 0
            nix-store --import < "$1/closure" > /dev/null
            ln -sfT "$(cat "$1/gcc-wrapper")" /nix/var/nix/gcroots/toolchain
            """,
            "-",
            Path.Combine(farm.Repository, "out/toolchain"));
        Assert.True(import.Succeeded, import.ToString());
    }
}
