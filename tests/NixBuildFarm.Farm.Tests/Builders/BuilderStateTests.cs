using System.Management.Automation;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builders;

/// <summary>Each state that Test-NixBuilder tells of, on a machine that really is in it.</summary>
public sealed class BuilderStateTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    public static TheoryData<Fault, string, string> Faults => new()
    {
        { Fault.SshdStopped, "Unreachable", "refuses the connection" },
        { Fault.LinkDown, "Unreachable", "cannot be reached" },
        { Fault.Blackhole, "Unreachable", "does not answer" },
        { Fault.Frozen, "Unreachable", "does not answer" },
        { Fault.HostKeyChanged, "HostKeyMismatch", "another host key" },
        { Fault.StoreFull, "Degraded", "MiB free for its store" },
    };

    [Theory]
    [MemberData(nameof(Faults), DisableDiscoveryEnumeration = true)]
    public async Task A_fault_shows_as_what_it_is_and_is_gone_when_it_is_mended(Fault fault, string state, string finding)
    {
        await using var garnet = await farm.AddAsync("garnet", "--user", "nix");
        await using (await garnet.InflictAsync(fault))
        {
            var test = Test("garnet", "-TimeoutSec 15");
            Assert.Equal(state, test.State);
            Assert.Contains(finding, test.Findings);
        }
        Assert.Equal("Online", Test("garnet").State);
    }

    [Fact]
    public async Task A_builder_that_refuses_the_key_says_which_was_offered()
    {
        await farm.Coordinator.ExecAsync("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", Path.Combine(session.Folder, "stranger"));

        var test = Test(
            "ruby",
            "",
            $"[pscustomobject] @{{ HostName = 'ruby'; User = 'nix'; IdentityFile = '{session.Folder}/stranger' }} | Import-NixBuilder");

        Assert.Equal("AuthenticationFailed", test.State);
        Assert.Contains($"{session.Folder}/stranger", test.Findings);
    }

    [Fact]
    public async Task A_builder_whose_PATH_has_no_Nix_says_so()
    {
        await using var garnet = await farm.AddAsync("garnet", "--user", "nix", "--sshd", "SetEnv PATH=/usr/games");

        var test = Test("garnet");

        Assert.Equal("NoNix", test.State);
        Assert.Contains("nix-daemon", test.Findings);
    }

    [Fact]
    public async Task A_login_that_prints_a_greeting_says_what_it_printed()
    {
        await using var garnet = await farm.AddAsync("garnet", "--user", "nix");
        await garnet.ExecAsync("bash", "-c", "echo 'echo Welcome to garnet' > ~nix/.bashrc");

        var test = Test("garnet");

        Assert.Equal("Incompatible", test.State);
        Assert.Contains("Welcome to garnet", test.Findings);
    }

    [Fact]
    [EveryNix("Builders that do not trust the login")]
    public async Task A_login_that_is_not_trusted_says_what_to_do()
    {
        await using var garnet = await farm.AddAsync("garnet", "--user", "guest");

        var test = Test("garnet");

        Assert.Equal("Untrusted", test.State);
        Assert.Contains("does not trust the login", test.Findings);
    }

    [Fact]
    [EveryNix("`Test-NixBuilder` finds out system and features")]
    public async Task A_builder_that_lacks_features_of_the_list_is_degraded()
    {
        await using var garnet = await farm.AddAsync("garnet", "--features", "gccarch-znver3");

        var test = Test("garnet");

        Assert.Equal("Degraded", test.State);
        Assert.Contains("gccarch-znver3", test.Findings);
    }

    [Fact]
    [EveryNix("`Test-NixBuilder` finds out system and features")]
    public async Task A_system_that_the_list_claims_and_the_builder_cannot_build_shows_in_a_build()
    {
        await using var garnet = await farm.AddAsync("garnet", "--systems", "x86_64-linux,riscv64-linux,mips64el-linux");

        Assert.Equal("Online", Test("garnet").State);
        var test = Test("garnet", "-Build");

        Assert.Equal("Degraded", test.State);
        Assert.Equal(["x86_64-linux: native", "riscv64-linux: failed", "mips64el-linux: failed"], test.Builds);
        Assert.Contains("garnet is configured for riscv64-linux, but does not build for it", test.Findings);
    }

    [Fact]
    public void A_builder_reports_its_cores_memory_load_and_store()
    {
        var test = Test("ruby").Object;

        Assert.Equal(Environment.ProcessorCount, test.Properties["Cores"].Value);
        Assert.InRange((long)test.Properties["Memory"].Value, 1L << 28, 1L << 44);
        Assert.InRange((long)test.Properties["StoreFree"].Value, 1L << 29, 2L << 30);
        Assert.InRange((double)test.Properties["Load"].Value, 0, 10_000);
        Assert.Equal(Environment.ProcessorCount, PSObject.AsPSObject(test.Properties["Builder"].Value).Properties["Cores"].Value);
    }

    [Fact]
    public async Task A_login_that_may_run_nothing_but_Nix_does_not_tell_and_is_fine()
    {
        await using var garnet = await farm.AddAsync(
            "garnet", "--user", "nix", "--sshd", "Match User nix", "--sshd", "ForceCommand nix-daemon --stdio");

        var test = Test("garnet");

        Assert.Equal("Online", test.State);
        Assert.Null(test.Object.Properties["Memory"].Value);
    }

    [Fact]
    public void The_local_machine_can_be_built_on_too() =>
        Assert.Equal(
            ["x86_64-linux: native"], Test("local", "-Build").Builds.Where(build => build!.StartsWith("x86", StringComparison.Ordinal)));

    [Fact]
    public async Task A_hundred_builders_of_which_ten_never_answer_hold_up_no_other_and_cost_no_other_its_test()
    {
        await using var garnet = await farm.AddAsync("garnet", "--unlisted");
        await using var silent = await garnet.InflictAsync(Fault.Blackhole);
        File.WriteAllLines(
            Path.Combine(session.Folder, "hundred"),
            Enumerable.Range(0, 100).Select(i => $"ssh-ng://nix@{(i % 10 == 0 ? "garnet" : farm.Builders[i % 3].Name)}"));

        var tests = session.Run("Import-NixBuilder hundred | Test-NixBuilder -TimeoutSec 30").Script;

        Assert.Equal(90, tests.Output.Count(test => $"{test.Properties["State"].Value}" == "Online"));
        Assert.Equal(10, tests.Output.Count(test => $"{test.Properties["State"].Value}" == "Unreachable"));
        // One after the other the first of them would come first; it was asked before all others.
        Assert.Equal("Online", $"{tests.Output[0].Properties["State"].Value}");
    }

    private BuilderTest Test(string name, string options = "", string? builder = null)
    {
        var run = session.Run($"{builder ?? $"Get-NixBuilder {name}"} | Test-NixBuilder {options}");
        Assert.True(run.Errors.Length == 0, run.Errors);
        return new(Assert.Single(run.Script.Output));
    }

    private sealed record BuilderTest(PSObject Object)
    {
        public string State => $"{Object.Properties["State"].Value}";

        public string Findings => string.Join('\n', ((IEnumerable<object>)Object.Properties["Findings"].Value).Select(f => f.ToString()));

        public IEnumerable<string?> Builds => ((IEnumerable<object>)Object.Properties["Builds"].Value).Select(b => b.ToString());
    }
}
