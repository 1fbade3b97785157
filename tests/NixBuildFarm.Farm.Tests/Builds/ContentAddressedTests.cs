using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>
/// Derivations whose output paths are known only after a build are built by all builders, each once its inputs are there.
/// </summary>
public sealed class ContentAddressedTests(TestFarm farm) : IAsyncLifetime
{
    private const string Features = "experimental-features = nix-command flakes ca-derivations impure-derivations";
    private readonly BuildSession session = new();
    private NixSetting setting = null!;
    private AddedHost opal = null!;

    public async ValueTask InitializeAsync()
    {
        setting = await NixSetting.AddAsync(farm, Features);
        opal = await farm.AddAsync("opal", "--slots", "2", "--conf", Features);
    }

    public async ValueTask DisposeAsync()
    {
        await opal.DisposeAsync();
        await setting.DisposeAsync();
        session.Dispose();
    }

    private const string Floating = "{ __contentAddressed = true; outputHashMode = \"recursive\"; outputHashAlgo = \"sha256\"; }";

    [Fact]
    [EveryNix("Content-addressed derivations")]
    public async Task A_floating_derivation_and_what_depends_on_it_are_built_and_known_at_home()
    {
        session.Write("floating", $$"""
            package "deferred" "cat $inputs > $out" [ (attrs {{Floating}} "floating" "echo $inputs > /dev/null; echo floated > $out" [ (package "plain" (sleep 0) [ ]) ]) ]
            """);

        var build = session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path floating.nix -OutLink result").Succeeded();

        Assert.Equal(["deferred", "floating", "plain"], build.Results.Select(result => result.Name).Order());
        Assert.Equal("opal", build["deferred"].Builder);
        Assert.Equal("floated\n", await File.ReadAllTextAsync(Path.Combine(session.Folder, "result")));
        var again = session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path floating.nix").Succeeded();
        Assert.Equal(("AlreadyValid", build["deferred"].Output), (again["deferred"].Status, again["deferred"].Output));
    }

    [Fact]
    public async Task Several_outputs_that_refer_to_themselves_and_each_other_come_home_and_Nix_finds_them()
    {
        session.Write("floating", $$"""
            let
              plain = attrs { outputs = [ "out" "dev" ]; } "plain" "echo plain > $out; echo $out > $dev" [ ];
              floating = attrs ({{Floating}} // { outputs = [ "out" "lib" ]; }) "floating" "echo $lib ${plain.dev} > $out; mkdir $lib; echo $lib > $lib/self" [ plain.dev ];
              flat = attrs { __contentAddressed = true; outputHashMode = "flat"; outputHashAlgo = "sha1"; } "flat" "echo flat > $out" [ ];
              deferred = attrs { outputs = [ "out" "doc" ]; } "deferred" "echo $inputs $doc > $out; echo doc > $doc" [ floating.lib floating plain flat ];
            in attrs {{Floating}} "top" "cat $inputs > $out; echo $inputs >> $out" [ deferred floating.out ]
            """);

        var build = session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path floating.nix").Succeeded();

        var closure = (await farm.Coordinator.ExecAsync("nix-store", "--query", "--requisites", build["top"].Output))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(
            ["deferred", "deferred-doc", "flat", "floating", "floating-lib", "plain", "plain-dev", "top"],
            closure.Select(path => path[44..]).Order(StringComparer.Ordinal));
        await farm.Coordinator.ExecAsync(["nix-store", "--verify-path", .. closure]);
        Assert.Equal(
            build["top"].Output,
            (
                await farm.Coordinator.ExecAsync(
                    "nix-build", "--no-out-link", "--max-jobs", "0", Path.Combine(session.Folder, "floating.nix")))
                .Trim());
    }

    /// <summary>As if ninja's file were turned into Nix's: each compile is a derivation, and its output is found by its content.</summary>
    [Fact]
    [EveryNix("Content-addressed derivations")]
    public async Task A_program_of_many_compiles_is_built_by_all_builders_and_only_what_came_out_differently_is_built_again()
    {
        // Where Nix is new enough that people do so.
        var units = (await farm.Aquamarine.ExecAsync("nix", "--version")).Contains(" 2.34") ? 500 : 40;
        await using var jade = await farm.AddAsync("jade", "--slots", "2", "--conf", Features);
        session.Write("program", $$"""
            let
              program = comment: text:
                let
                  header = attrs ({{Floating}} // { inherit comment; }) "header" "echo '${text}' > $out" [ ];
                  compile = number: "read -r text < $inputs; echo ${toString number} $text > $out";
                  unit = number: attrs {{Floating}} "unit${toString number}" (compile number) [ header ];
                in attrs {{Floating}} "program" "cat $inputs > $out" (many {{units}} unit);
            in { first = program "" "first"; commented = program "a comment" "first"; changed = program "a comment" "second"; }
            """);

        var first = Build("first");
        var commented = Build("commented");
        var changed = Build("changed");

        Assert.Equal(units + 2, first.Results.Count(result => result.Status == "Built"));
        Assert.Equal(["jade", "opal"], first.BuildersUsed);
        var text = await File.ReadAllLinesAsync(first["program"].Output);
        Assert.Equal(units, text.Count(line => line.EndsWith(" first", StringComparison.Ordinal)));
        // The header came out as it was: no compile is begun, and nothing is linked.
        Assert.Equal("header", Assert.Single(commented.Results, result => result.Status == "Built").Name);
        Assert.Equal(first["program"].Output, commented["program"].Output);
        Assert.Equal(units + 2, changed.Results.Count(result => result.Status == "Built"));
        Assert.Equal(
            changed["program"].Output,
            (
                await farm.Coordinator.ExecAsync(
                    "nix-build", "--no-out-link", "--max-jobs", "0", Path.Combine(session.Folder, "program.nix"), "--attr", "changed"))
                .Trim());

        BuildOutput Build(string attribute) =>
            session.Run($"Get-NixBuilder opal, jade | Invoke-NixDistributedBuild -Path program.nix -Attribute {attribute}").Succeeded();
    }

    [Fact]
    public async Task An_impure_derivation_is_built_each_time()
    {
        session.Write("impure", """attrs { __impure = true; } "impure" "cat /proc/sys/kernel/random/uuid > $out" [ ]""");

        var first = session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path impure.nix").Succeeded();
        var second = session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path impure.nix").Succeeded();

        Assert.Equal("Built", second["impure"].Status);
        Assert.NotEqual(await File.ReadAllTextAsync(first["impure"].Output), await File.ReadAllTextAsync(second["impure"].Output));
    }

    [Fact]
    public void On_the_local_machine_they_are_built_too()
    {
        session.Write("floating", $$"""attrs {{Floating}} "floating" "echo floated > $out" [ ]""");

        var build = session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path floating.nix").Succeeded();

        Assert.Equal("floated\n", File.ReadAllText(build["floating"].Output));
    }

    [Fact]
    public void A_builder_whose_Nix_does_not_know_them_is_told_and_another_builds()
    {
        session.Write("floating", $$"""attrs {{Floating}} "floating" "echo floated > $out" [ ]""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path floating.nix");

        Assert.Equal("Failed", build["floating"].Status);
        Assert.Contains("ca-derivations", build.Errors);
    }
}
