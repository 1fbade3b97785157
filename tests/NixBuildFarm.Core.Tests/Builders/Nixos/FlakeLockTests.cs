using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Builders.Nixos;
using NixBuildFarm.Core.Tests.Store;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Core.Tests.Builders.Nixos;

public sealed class FlakeLockTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string Root => Path.GetDirectoryName(folder["flake.lock"])!;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_source_has_the_path_that_Nix_gives_it()
    {
        const string Hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

        var path = await NixCommand.RunAsync(
            "nix-instantiate",
            [
                "--eval", "--expr",
                $"(derivation {{ name = \"source\"; system = \"x\"; builder = \"x\"; outputHash = \"{Hash}\"; outputHashMode = "
                    + "\"recursive\"; }).outPath",
            ],
            cancellation: TestContext.Current.CancellationToken);

        Assert.Equal(path.Trim().Trim('"'), FlakeLock.PathOf(Hash));
    }

    [Theory]
    [InlineData("""{ "nodes": { "root": { "inputs": { "nixpkgs": "n" } }, "n": { "locked": { "narHash": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } } }, "root": "root" }""")]
    [InlineData("""{ "nodes": { "root": { "inputs": { "nixpkgs": [ "a", "nixpkgs" ] } } }, "root": "root" }""")]
    [InlineData("""{ "nodes": { "root": { } }, "root": "root" }""")]
    [InlineData("no JSON")]
    public void A_lock_without_a_nixpkgs_that_the_store_has_gives_none(string text)
    {
        File.WriteAllText(folder["flake.lock"], text);

        Assert.Null(FlakeLock.NixpkgsInStore(Root));
    }

    [Fact]
    public async Task A_module_is_evaluated_by_the_module_system_of_its_flake_s_own_nixpkgs()
    {
        var cancellation = TestContext.Current.CancellationToken;
        // The interface of nixpkgs: lib with evalModules, and the packages.
        Directory.CreateDirectory(folder["source/lib"]);
        Write("source/default.nix", "{ ... }: { hello = \"hello\"; cores = 7; }");
        Write("source/lib/functions.nix", Resource("lib.nix"));
        Write("source/lib/modules.nix", Resource("modules.nix"));
        Write("source/lib/default.nix", """
            let
              modules = import ./modules.nix lib;
              farm = { nix.buildMachines = [ { hostName = "of-nixpkgs"; system = "x86_64-linux"; } ]; };
              lib = import ./functions.nix // modules // {
                evalModules = given: modules.evalModules (given // { modules = given.modules ++ [ farm ]; });
                ofNixpkgsOnly = name: name;
              };
            in lib
            """);
        var path = (
            await NixCommand.RunAsync("nix-store", ["--add-fixed", "--recursive", "sha256", folder["source"]], cancellation: cancellation))
            .Trim();
        var hash = (await NixCommand.RunAsync("nix-store", ["--query", "--hash", path], cancellation: cancellation)).Trim();
        Write("flake.nix", "{ outputs = _: throw \"not asked for\"; }");
        Write("flake.lock", $$"""{ "nodes": { "root": { "inputs": { "nixpkgs": "n" } }, "n": { "locked": { "narHash": "{{hash}}" } } }, "root": "root" }""");
        Write("module.nix", """
            { lib, pkgs, config, options, modulesPath, ... }: {
              nix.distributedBuilds = true;
              nix.buildMachines = [ { hostName = lib.ofNixpkgsOnly config.name; system = "x86_64-linux"; maxJobs = pkgs.cores; sshKey = config.gone; } ];
              options.name = lib.mkOption { type = lib.types.str; default = "ruby"; };
            }
            """.Replace("  nix.", "  config.nix.", StringComparison.Ordinal));

        Assert.Equal(path, FlakeLock.NixpkgsInStore(Root));
        var module = await NixosModule.ReadAsync(folder["module.nix"], null, cancellation);
        var list = MachineList.FromEntries(module.Machines, Lists.Local);

        Assert.Equal(["of-nixpkgs 1", "ruby 7"], list.Builders.Select(b => $"{b.Name} {b.MaxJobs}").Order());
        Assert.Equal("sshKey", Assert.Single(list.Problems).Field);
    }

    private void Write(string name, string text) => File.WriteAllText(folder[name], text);

    private static string Resource(string name)
    {
        using var reader = new StreamReader(typeof(NixosModule).Assembly.GetManifestResourceStream(typeof(NixosModule), name)!);
        return reader.ReadToEnd();
    }

    [Fact]
    public void A_flake_without_a_lock_gives_none() => Assert.Null(FlakeLock.NixpkgsInStore(Root));
}
