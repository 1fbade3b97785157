using System.Management.Automation;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Planning;

/// <summary><c>Invoke-NixDistributedBuild -WhatIf</c>: what would be done, and nothing of it is.</summary>
public sealed class PlanTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public async Task A_plan_names_every_derivation_and_nothing_is_built_or_written()
    {
        session.Write("wide", """package "root" "cat $inputs > $out" (many 12 (i: package "planned${toString i}" (sleep 0.2) [ ]))""");

        var plan = Plan("Invoke-NixDistributedBuild -Path wide.nix -OutLink result -WhatIf");

        Assert.Equal(13, plan.Count);
        Assert.All(plan, step => Assert.Contains(Text(step, "Builder"), (string[])["local", "aquamarine", "ruby", "kana"]));
        Assert.True(plan.Select(step => Text(step, "Builder")).Distinct().Count() > 2);
        Assert.Equal("root", Text(plan[^1], "Name"));
        Assert.Equal([true], plan.Where(step => (bool)step.Properties["IsRequested"].Value).Select(step => Text(step, "Name") == "root"));
        foreach (var host in farm.Builders.Prepend(farm.Coordinator))
        {
            Assert.DoesNotContain(
                "-planned", string.Join(' ', Outputs(await host.ExecAsync("ls", "/nix/store"))), StringComparison.Ordinal);
        }
        Assert.False(Path.Exists(Path.Combine(session.Folder, "result")));
        Assert.False(Path.Exists(Path.Combine(session.Folder, "state")));
    }

    [Fact]
    public void The_plan_and_the_run_agree_on_the_builders_that_are_used()
    {
        session.Write("wide", """package "root" "echo > $out" (many 16 (i: package "leaf${toString i}" (sleep 0.5) [ ]))""");
        const string Command = "Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path wide.nix";

        var plan = Plan(Command + " -WhatIf");
        var build = session.Run(Command).Succeeded();

        Assert.Equal(build.BuildersUsed, plan.Select(step => Text(step, "Builder")).Distinct().Order());
        Assert.Equal(build.Results.Select(r => r.Derivation).Order(), plan.Select(step => Text(step, "DerivationPath")).Order());
    }

    [Fact]
    public async Task Only_builders_that_may_build_a_derivation_are_planned_for_it()
    {
        await using var board = await farm.AddAsync("board", "--systems", "riscv64-linux,x86_64-linux", "--features", "gpu");
        session.Write("picky", """package "root" "echo > $out" (many 6 (i: attrs { requiredSystemFeatures = [ "gpu" ]; } "leaf${toString i}" (sleep 0) [ ]))""");

        var plan = Plan("Invoke-NixDistributedBuild -Path picky.nix -WhatIf");

        Assert.Equal(["board"], plan.Where(step => Text(step, "Name") != "root").Select(step => Text(step, "Builder")).Distinct());
    }

    [Fact]
    public void A_builder_that_cannot_be_reached_is_planned_with_as_it_is_configured()
    {
        session.Write("one", """package "one" "echo > $out" [ ]""");
        File.WriteAllText(Path.Combine(session.Folder, "machines"), "ssh-ng://nowhere.invalid x86_64-linux - 4 8");

        var step = Assert.Single(Plan("Get-NixBuilder -Path machines nowhere.invalid | Invoke-NixDistributedBuild -Path one.nix -WhatIf"));

        Assert.Equal(("nowhere.invalid", "Build"), (Text(step, "Builder"), Text(step, "Action")));
    }

    [Fact]
    public void A_valid_output_and_a_job_that_nobody_may_build_are_planned_as_such()
    {
        session.Write("mixed", """rec { done = package "done" "echo > $out" [ ]; alien = attrs { system = "s390x-linux"; } "alien" "" [ ]; top = package "top" "" [ alien done ]; }""");
        session.Run("Invoke-NixDistributedBuild -Path mixed.nix -Attribute done").Succeeded();

        var plan = Plan("Invoke-NixDistributedBuild -Path mixed.nix -Attribute done, top -WhatIf")
            .ToDictionary(step => Text(step, "Name")!);

        Assert.Equal("AlreadyValid", Text(plan["done"], "Action"));
        Assert.Equal("NoEligibleBuilder", Text(plan["alien"], "Action"));
        Assert.Contains("it does not build s390x-linux", Text(plan["alien"], "Why"), StringComparison.Ordinal);
        Assert.Equal("DependencyFailed", Text(plan["top"], "Action"));
    }

    [Fact]
    public async Task Ten_thousand_derivations_are_read_and_planned_in_little_memory()
    {
        session.Write("huge", """
            let
              layer = n: previous: many 100 (i: package "node${toString n}-${toString i}" "echo > $out" (
                if n == 0 then [ ] else map (k: builtins.elemAt previous (mod (i * 7 + k * 13 + n))) [ 0 1 2 ]));
              mod = i: i - 100 * (i / 100);
            in package "root" "echo > $out" (builtins.foldl' (previous: n: layer n previous) [ ] (builtins.genList (n: n) 100))
            """);
        var derivation = (await farm.Coordinator.ExecAsync("nix-instantiate", Path.Combine(session.Folder, "huge.nix"))).Trim();

        var shell = await farm.PowerShellAsync("alice", $$"""
            $plan = Invoke-NixDistributedBuild -DerivationPath {{derivation}} -WhatIf
            "$(@($plan).Count) $(@($plan | Where-Object Builder).Count) $([Diagnostics.Process]::GetCurrentProcess().PeakWorkingSet64)"
            """);

        Assert.True(shell.Succeeded, shell.ToString());
        var numbers = shell.Output.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries)
            .TakeLast(3)
            .Select(long.Parse)
            .ToArray();
        Assert.Equal((10_001, 10_001), (numbers[0], numbers[1]));
        Assert.InRange(numbers[2], 0, 500 << 20);
    }

    [Fact]
    public void A_person_sees_when_and_where()
    {
        session.Write("one", """package "one" "echo > $out" [ ]""");

        var text = session.Show("Invoke-NixDistributedBuild -Path one.nix -WhatIf");

        Assert.Contains("What if: Performing the operation \"Build\" on target \"one.nix\".", text, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^\s*0\.1 s\s+one\s+\w+\s+[\d.]+ s\?\s+\w+\s+it ends there first", text);
    }

    [Fact]
    public async Task What_would_be_fetched_is_counted_with_all_that_it_refers_to()
    {
        session.Write("cached", """
            rec {
              below = package "below" "echo > $out" [ ];
              middle = package "middle" "echo $inputs > $out" [ below ];
              top = package "top" "echo > $out" [ middle ];
            }
            """);
        var built = session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path cached.nix -Attribute below, middle").Succeeded();
        var cache = Path.Combine(session.Folder, "cache");
        await farm.Coordinator.ExecAsync("nix", "copy", "--to", $"file://{cache}", built["middle"].Output);
        await farm.Coordinator.ExecAsync("nix-store", "--delete", built["middle"].Output, built["below"].Output);
        await using var configured = await NixSetting.AddAsync(farm, $"substituters = file://{cache}", "require-sigs = false");

        var plan = session.Run("$null = Invoke-NixDistributedBuild -Path cached.nix -Attribute top -WhatIf");

        var answer = plan.Script.Information.First(record => record.Tags.Contains("NixBuildPlanSummary")).MessageData.ToString()!;
        Assert.StartsWith("1 derivation will be built, 2 paths will be fetched (", answer, StringComparison.Ordinal);
    }

    private List<PSObject> Plan(string command)
    {
        var output = session.Run(command);
        Assert.True(output.Errors.Length == 0, output.Errors);
        Assert.All(output.Script.Output, step => Assert.Equal("NixBuildFarm.Planning.NixBuildPlan", step.BaseObject.GetType().FullName));
        return [.. output.Script.Output];
    }

    private static string? Text(PSObject step, string property) => step.Properties[property].Value?.ToString();

    // Names of derivations are there, since they were evaluated; their outputs are not.
    private static IEnumerable<string> Outputs(string listing) =>
        listing.Split('\n').Where(name => !name.EndsWith(".drv", StringComparison.Ordinal));
}
