using System.Collections.Concurrent;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Sharing;
using Tree = NixBuildFarm.Core.Tests.Store.NarTree;

namespace NixBuildFarm.Core.Tests.Compiling;

/// <summary>A build whose compiles are done by several builders: it can be faster for that, and never fails for it.</summary>
public class SharedBuildTests
{
    private const int Units = 12;

    [Fact]
    public async Task Compiles_are_done_by_helpers_and_each_file_goes_to_a_helper_once()
    {
        var (farm, ends) = Make("ruby", "kana");
        using var _ = farm;

        var result = await farm.BuildAsync();

        Assert.Equal(NixBuildStatus.Built, result.Status);
        Assert.Equal(Units, ends.Count);
        Assert.DoesNotContain(CompileEnd.Killed, ends);
        var shared = result.SharedCompiles!;
        Assert.Equal((Units, ends.Count(end => end == CompileEnd.Result)), (shared.Count, shared.Shared));
        Assert.True(shared.Shared > 0);
        Assert.Equal(shared.Shared, shared.Builders.Where(builder => !builder.IsHome).Sum(builder => builder.Count));
        Assert.Equal(Units, shared.Builders.Sum(builder => builder.Count));
        foreach (var helper in new[] { farm.Farm["ruby"], farm.Farm["kana"], farm.Farm.Local })
        {
            Assert.Distinct(helper.Daemon.Store.Received);
        }
        Assert.True(farm.Brokers.Single().HasEnded);
    }

    [Fact]
    public async Task The_build_sees_the_shim_and_no_other_build_gets_its_connection()
    {
        var (farm, _) = Make("ruby");
        using var __ = farm;

        await farm.BuildAsync();

        var mapped = farm.Home.Daemon.AllOptions.Where(options => options.Overrides.ContainsKey(SandboxMappings.Setting)).ToArray();
        var options = Assert.Single(mapped);
        Assert.StartsWith($"{farm.Compiler}/libexec/gcc/x86_64-linux-gnu/12=", options.Overrides[SandboxMappings.Setting]);
        Assert.True(options.BuildCores > 1);
        Assert.DoesNotContain(farm.Farm["ruby"].Daemon.AllOptions, given => given.Overrides.ContainsKey(SandboxMappings.Setting));
    }

    [Fact]
    public async Task A_helper_that_connects_while_the_build_runs_compiles_too()
    {
        var (farm, _) = Make("ruby");
        using var __ = farm;
        var login = new TaskCompletionSource();
        farm.Farm["ruby"].Login = login.Task;
        farm.Begun = login.SetResult;

        var result = await farm.BuildAsync(on: ["home", "ruby"]);

        Assert.Contains(result.SharedCompiles!.Builders, builder => builder.Builder == "ruby");
    }

    [Fact]
    public async Task A_builder_that_could_take_no_job_is_connected_to_help()
    {
        var (farm, _) = Make("ruby");
        using var __ = farm;

        var result = await farm.BuildAsync(on: ["home", "ruby"]);

        Assert.Contains(result.SharedCompiles!.Builders, builder => builder.Builder == "ruby");
    }

    [Fact]
    public async Task Who_does_not_want_it_gets_a_plain_build()
    {
        var (farm, ends) = Make("ruby");
        using var _ = farm;

        var result = await farm.BuildAsync(ShareMode.Never);

        Assert.Equal(NixBuildStatus.Built, result.Status);
        Assert.Null(result.SharedCompiles);
        Assert.Empty(ends);
        Assert.Empty(farm.Brokers);
        Assert.DoesNotContain(farm.Home.Built, name => name.StartsWith("nixbuildfarm", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("who goes there\n")]
    [InlineData("nixbuildfarm-broker 2 /run/x\n")]
    [InlineData("nixbuildfarm-broker 1 /nix/store/x\n")]
    [InlineData("nixbuildfarm-broker 1 /run/x /bin/sh=/run/y\n")]
    public async Task A_broker_that_is_none_costs_the_sharing_and_not_the_build(string greeting)
    {
        var (farm, _) = Make("ruby");
        using var __ = farm;
        farm.Greeting = greeting;

        var result = await farm.BuildAsync();

        Assert.Equal(NixBuildStatus.Built, result.Status);
        Assert.Null(result.SharedCompiles);
        Assert.DoesNotContain(farm.Home.Daemon.AllOptions, options => options.Overrides.ContainsKey(SandboxMappings.Setting));
    }

    [Fact]
    public async Task A_builder_that_cannot_start_a_broker_builds_alone()
    {
        var (farm, _) = Make("ruby");
        using var __ = farm;
        farm.Home.Program = null;

        var result = await farm.BuildAsync();

        Assert.Equal((NixBuildStatus.Built, null), (result.Status, result.SharedCompiles));
    }

    [Theory]
    [InlineData(ShimFault.Babbles)]
    [InlineData(ShimFault.Lies)]
    [InlineData(ShimFault.Leaves)]
    [InlineData(ShimFault.Vanishes)]
    [InlineData(ShimFault.VanishesDescribed)]
    public async Task A_shim_that_goes_wrong_harms_its_own_compile_alone(int fault)
    {
        var (farm, ends) = Make(i => i % 3 == 0 ? (ShimFault)fault : ShimFault.None, "ruby");
        using var _ = farm;

        var result = await farm.BuildAsync();

        Assert.Equal(NixBuildStatus.Built, result.Status);
        Assert.Equal(Units, ends.Count);
        Assert.Contains(CompileEnd.Result, ends);
    }

    [Fact]
    public async Task A_helper_that_gives_nonsense_is_asked_no_more_and_its_compiles_are_done_at_home()
    {
        var (farm, ends) = Make("ruby");
        using var _ = farm;
        farm.OnHelper = build =>
        {
            SharingFarm.Add(build, build.Derivation!.Outputs["out"].Path!, new Tree.Folder(("rc", new Tree.Link("0"))));
            return Task.FromResult<BuildResult?>(new() { Status = BuildStatus.Built });
        };

        var result = await farm.BuildAsync();

        Assert.Equal((NixBuildStatus.Built, 0), (result.Status, result.SharedCompiles!.Shared));
        Assert.All(ends, end => Assert.Equal(CompileEnd.Home, end));
        Assert.InRange(farm.Compiled.Count, 1, 8);
    }

    [Fact]
    public async Task A_helper_whose_text_differs_leaves_the_compile_to_home()
    {
        var (farm, ends) = Make("ruby");
        using var _ = farm;
        farm.OnHelper = build =>
        {
            SharingFarm.Add(build, build.Derivation!.Outputs["out"].Path!, new Tree.Folder(("rc", new Tree.File("200"u8.ToArray()))));
            return Task.FromResult<BuildResult?>(new() { Status = BuildStatus.Built });
        };

        await farm.BuildAsync();

        Assert.All(ends, end => Assert.Equal(CompileEnd.Home, end));
    }

    [Fact]
    public async Task A_helper_that_is_lost_costs_nothing_but_its_compiles()
    {
        var (farm, ends) = Make("ruby", "kana");
        using var _ = farm;
        var ruby = farm.Farm["ruby"];
        farm.OnHelper = async build =>
        {
            if (build.Store != ruby.Daemon.Store) return null;
            ruby.Break();
            await Task.Delay(Timeout.Infinite, build.Cancelled);
            return null;
        };

        var result = await farm.BuildAsync();

        Assert.Equal(NixBuildStatus.Built, result.Status);
        Assert.Equal(Units, ends.Count);
    }

    [Fact]
    public async Task A_broker_that_is_killed_leaves_all_compiles_to_home()
    {
        var ends = new ConcurrentBag<CompileEnd>();
        using var farm = new SharingFarm("ruby")
        {
            Package = async broker =>
            {
                var compiling = Enumerable.Range(0, Units).Select(i => FakeShim.CompileAsync(broker!, $"unit{i}")).ToArray();
                await compiling[0];
                broker!.Kill();
                foreach (var compile in compiling) ends.Add(await compile);
            },
        };
        farm.OnHelper = async build =>
        {
            await Task.Delay(50, build.Cancelled);
            return null;
        };

        Assert.Equal(NixBuildStatus.Built, (await farm.BuildAsync()).Status);
        Assert.Equal(Units, ends.Count);
    }

    [Fact]
    public async Task What_an_earlier_build_has_compiled_is_taken_from_the_helper()
    {
        var (farm, ends) = Make("ruby");
        using var _ = farm;
        farm.OnHelper = build =>
        {
            Assert.False(build.Store.IsValid(build.Derivation!.Outputs["out"].Path!), "It was there.");
            return Task.FromResult<BuildResult?>(null);
        };
        var first = await farm.BuildAsync();
        farm.Home.Daemon.Store.Remove(farm.Home.Daemon.Store.ValidPaths.Single(path => path.Name == "package"));
        foreach (var machine in new[] { farm.Farm.Local, farm.Farm["ruby"] })
        {
            machine.Daemon.Store.Remove(Running.FakeFarm.OutputOf("package"));
        }
        farm.Farm.Results.Clear();
        farm.Compiled.Clear();
        ends.Clear();

        var second = await farm.BuildAsync();

        Assert.True(first.SharedCompiles!.Shared > 0);
        Assert.Equal(0, first.SharedCompiles.Reused);
        Assert.True(second.SharedCompiles!.Reused > 0, "nothing was reused");
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 16)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task However_shims_helpers_and_the_broker_fail_every_compile_ends_once_and_the_build_succeeds(int seed)
    {
        var random = new Random(seed);
        var faults = Enum.GetValues<ShimFault>();
        var chosen = Enumerable.Range(0, Units)
            .Select(_ => random.Next(2) == 0 ? ShimFault.None : faults[random.Next(faults.Length)]).ToArray();
        var (killsBroker, breaksRuby) = (random.Next(3) == 0, random.Next(3) == 0);
        var ends = new ConcurrentBag<(int Unit, CompileEnd End)>();
        using var farm = new SharingFarm("ruby", "kana")
        {
            Package = async broker =>
            {
                if (broker is null) return;
                var compiling = Enumerable.Range(0, Units).Select(
                    async i => ends.Add((i, await FakeShim.CompileAsync(broker, $"unit{i}", chosen[i],
                        () => Task.Delay(i * 7 % 40))))).ToArray();
                await Task.WhenAny(compiling);
                if (killsBroker) broker.Kill();
                await Task.WhenAll(compiling);
            },
        };
        var ruby = farm.Farm["ruby"];
        farm.OnHelper = async build =>
        {
            int what;
            lock (random) what = random.Next(6);
            if (breaksRuby && what == 0) ruby.Break();
            if (what <= 1) await Task.Delay(30, build.Cancelled);
            if (what == 2) return new() { Status = BuildStatus.MiscFailure, ErrorMessage = "No space left on device" };
            if (what == 3) SharingFarm.Add(build, build.Derivation!.Outputs["out"].Path!, new Tree.File([1]));
            return what == 3 ? new() { Status = BuildStatus.Built } : null;
        };

        var result = await farm.BuildAsync();

        Assert.Equal(NixBuildStatus.Built, result.Status);
        Assert.Equal(Enumerable.Range(0, Units), ends.Select(end => end.Unit).Order());
        Assert.InRange(result.SharedCompiles?.Builders.Sum(builder => builder.Count) ?? 0, 0, Units);
    }

    private static (SharingFarm Farm, ConcurrentBag<CompileEnd> Ends) Make(params IReadOnlyList<string> helpers) =>
        Make(_ => ShimFault.None, helpers);

    private static (SharingFarm Farm, ConcurrentBag<CompileEnd> Ends) Make(Func<int, ShimFault> fault, params IReadOnlyList<string> helpers)
    {
        var ends = new ConcurrentBag<CompileEnd>();
        SharingFarm farm = null!;
        return (farm = new(helpers) { Package = CompileAllAsync }, ends);

        async Task CompileAllAsync(FakeBroker? broker)
        {
            if (broker is null) return;
            await Task.WhenAll(
                Enumerable.Range(0, Units).Select(
                    async i => ends.Add(await FakeShim.CompileAsync(broker, $"unit{i}", fault(i), AtHomeAsync))));
        }

        // At home compiles take until a helper is at work or has answered, so that one is asked, however busy this machine is; not for
        // ever, since some never are.
        async Task AtHomeAsync()
        {
            for (var waited = 0; waited < 100 && farm.Compiled.IsEmpty && !ends.Contains(CompileEnd.Result); waited++)
            {
                await Task.Delay(100);
            }
        }
    }
}
