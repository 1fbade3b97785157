using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>Derivations that builds make are built in the same run, by all builders. Nix has them since 2.34 in full.</summary>
public sealed class DynamicDerivationTests(TestFarm farm) : IAsyncLifetime
{
    private const string Features = "experimental-features = nix-command flakes ca-derivations dynamic-derivations";
    private const int Units = 12;

    /// <summary>
    /// <c>made</c> is a derivation that a build makes of a template: no store has it before. <c>of</c> is an output of what a build makes.
    /// </summary>
    private const string Prelude = """
        ca = mode: { __contentAddressed = true; outputHashMode = mode; outputHashAlgo = "sha256"; };
        fileOf = drv: builtins.unsafeDiscardOutputDependency drv.drvPath;
        template = attrs (ca "recursive") "template" "echo template > $out; echo $inputs >> $out";
        makes = name: change: inputs: attrs (ca "text") "${name}.drv" "sed -e 's/template/${name}/g' ${change} ${fileOf (template inputs)} > $out" [ ];
        of = maker: builtins.outputOf maker.outPath "out";
        """;

    private readonly BuildSession session = new();
    private NixSetting setting = null!;
    private AddedHost opal = null!;
    private AddedHost jade = null!;

    public async ValueTask InitializeAsync()
    {
        var version = await farm.Coordinator.ExecAsync("nix", "--version");
        Assert.SkipUnless(version.Contains(" 2.34"), "they are whole only since Nix 2.34");
        setting = await NixSetting.AddAsync(farm, Features);
        opal = await farm.AddAsync("opal", "--slots", "2", "--conf", Features);
        jade = await farm.AddAsync("jade", "--slots", "2", "--conf", Features);
    }

    public async ValueTask DisposeAsync()
    {
        if (jade is not null) await jade.DisposeAsync();
        if (opal is not null) await opal.DisposeAsync();
        if (setting is not null) await setting.DisposeAsync();
        session.Dispose();
    }

    [Fact]
    [EveryNix("Dynamic derivations")]
    public async Task What_builds_make_is_built_by_all_builders_and_Nix_finds_what_came_of_it()
    {
        Write($$"""
            let
              header = attrs (ca "recursive") "header" "echo header > $out" [ ];
              unit = number: makes "unit${toString number}" "" [ header ];
              units = many {{Units}} unit;
            in {
              program = package "program" "cat $inputs > $out" (map of units);
              archive = attrs (ca "recursive") "archive" "cat $inputs > $out" (map of units);
            }
            """);

        var build = Build("program");
        var again = Build("program");
        var archive = Build("archive");

        Assert.Equal(2 * Units + 2, build.Results.Count);
        Assert.All(build.Results, result => Assert.Equal("Built", result.Status));
        Assert.Equal(["jade", "opal"], build.BuildersUsed);
        var text = await File.ReadAllLinesAsync(build["program"].Output, TestContext.Current.CancellationToken);
        Assert.Equal(
            Enumerable.Range(0, Units).Select(number => $"unit{number}").Order(),
            text.Where(line => line.StartsWith("unit", StringComparison.Ordinal)).Order());
        Assert.Equal(build["header"].Output, text[1]);
        Assert.Equal(("AlreadyValid", build["program"].Output), (again["program"].Status, again["program"].Output));
        // What was made before, and what came of it, is at home or is built again; the archive is new.
        Assert.Equal("Built", archive["archive"].Status);
        Assert.Equal(build["program"].Output, await BuiltByNixAsync("program"));
        Assert.Equal(archive["archive"].Output, await BuiltByNixAsync("archive"));
    }

    [Fact]
    [EveryNix]
    public async Task What_builds_make_may_make_derivations_in_turn()
    {
        Write("""
            let
              inner = makes "inner" "" [ ];
              outer = attrs (ca "text") "inner.drv.drv" "cp ${fileOf inner} $out" [ ];
            in { user = package "user" "cat $inputs > $out" [ (builtins.outputOf (of outer) "out") ]; }
            """);

        var build = Build("user");

        Assert.Equal(["inner", "inner.drv", "inner.drv.drv", "user"], build.Results.Select(result => result.Name).Order());
        Assert.StartsWith("inner\n", await File.ReadAllTextAsync(build["user"].Output, TestContext.Current.CancellationToken));
        Assert.Equal(build["user"].Output, await BuiltByNixAsync("user"));
    }

    [Fact]
    [EveryNix]
    public void What_fails_or_is_no_derivation_fails_what_uses_it_and_nothing_else()
    {
        Write("""
            let
              failing = makes "failing" "-e 's/echo failing/exit 3 #/'" [ ];
              malformed = makes "malformed" "-e 's/Derive/Derived/'" [ ];
              good = makes "good" "" [ ];
            in {
              failed = package "failed" "cat $inputs > $out" [ (of failing) ];
              refused = package "refused" "cat $inputs > $out" [ (of malformed) ];
              missed = package "missed" "cat $inputs > $out" [ (builtins.outputOf good.outPath "lib") ];
              built = package "built" "cat $inputs > $out" [ (of good) ];
            }
            """);

        var build = session.Run("Get-NixBuilder opal, jade | Invoke-NixDistributedBuild -Path dynamic.nix -KeepGoing");

        Assert.Equal("Built", build["built"].Status);
        Assert.Equal("Failed", build["failing"].Status);
        Assert.Equal(("DependencyFailed", "It needs failing, which was not built."), (build["failed"].Status, build["failed"].Error));
        // Its builder's Nix reads what is to be a derivation.
        Assert.Equal("Failed", build["malformed.drv"].Status);
        Assert.Equal("It needs malformed.drv, which was not built.", build["refused"].Error);
        Assert.Equal("DependencyFailed", build["missed"].Status);
        Assert.Equal(
            "It needs a derivation that good.drv makes, and that cannot be used: "
                + $"good has no output “lib”: {build["good.drv"].Output} Its outputs are out.",
            build["missed"].Error);
    }

    [Fact]
    [EveryNix]
    public async Task A_builder_that_has_them_switched_off_leaves_what_makes_them_to_others()
    {
        await using var agate = await farm.AddAsync(
            "agate", "--slots", "2", "--conf", "experimental-features = nix-command flakes ca-derivations");
        Write("""{ user = package "user" "cat $inputs > $out" [ (of (makes "inner" "" [ ])) ]; }""");

        var alone = session.Run("Get-NixBuilder agate | Invoke-NixDistributedBuild -Path dynamic.nix -Attribute user");
        var all = session.Run("Get-NixBuilder agate, opal, jade | Invoke-NixDistributedBuild -Path dynamic.nix -Attribute user");

        // An older Nix does not know what it is asked for.
        Assert.Matches("'dynamic-derivations' is disabled|unknown hash algorithm 'text:sha256'", alone.Errors);
        Assert.NotEqual("agate", all.Succeeded()["inner.drv"].Builder);
    }

    private void Write(string expression) => session.Write("dynamic", $"let\n{Prelude}\nin\n{expression}");

    private BuildOutput Build(string attribute) =>
        session.Run($"Get-NixBuilder opal, jade | Invoke-NixDistributedBuild -Path dynamic.nix -Attribute {attribute}").Succeeded();

    private async Task<string> BuiltByNixAsync(string attribute) =>
        (await farm.Coordinator.ExecAsync(
            "nix-build", "--no-out-link", "--max-jobs", "0", Path.Combine(session.Folder, "dynamic.nix"), "--attr", attribute)).Trim();
}
