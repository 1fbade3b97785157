using NixBuildFarm.Builders;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Builders;

public class BuilderMachineTests
{
    private const string Linux = """
        cores 8
        user 1000
        load 0.52 0.58 0.59 1/467 12345
        memory MemTotal: 16333764 kB
        store Filesystem 1024-blocks Used Available Capacity Mounted on /dev/sda1 102400 60000 42400 59% /nix

        """;

    [Fact]
    public void A_Linux_machine_reports_cores_memory_load_and_free_space()
    {
        var machine = BuilderMachine.Parse(Linux);

        Assert.Equal(8, machine.Cores);
        Assert.False(machine.IsRoot);
        Assert.Equal(0.52, machine.Load);
        Assert.Equal(16333764L * 1024, machine.Memory);
        Assert.Equal(42400L * 1024, machine.StoreFree);
    }

    [Fact]
    public void A_Mac_tells_them_too()
    {
        var machine =
            BuilderMachine.Parse("cores 10\nload { 2.10 1.80 1.70 }\nmemory 17179869184\nstore Filesystem 1024-blocks Used Available "
                + "Capacity Mounted on /dev/disk3s7 971350180 1000 954812288 1% /nix\n");

        Assert.Equal(10, machine.Cores);
        Assert.Equal(2.1, machine.Load);
        Assert.Equal(17179869184, machine.Memory);
        Assert.Equal((971350180L * 1024, 954812288L * 1024), (machine.StoreSize, machine.StoreFree));
    }

    [Theory]
    [InlineData("")]
    [InlineData("cores\nuser\nload\nmemory\nstore\n")]
    [InlineData("cores 0\nuser -1\nload -1\nmemory -5\nstore 1% x")]
    [InlineData("cores 99999999999999\nload NaN\nmemory MemTotal: 99999999999999999999 kB\nstore a b c 9223372036854775807 1% /")]
    [InlineData("\0\u001b[2Jcores\u00a08\n")]
    public void An_unclear_answer_of_a_builder_is_unknown(string answer) =>
        Assert.Equal(new BuilderMachine(), BuilderMachine.Parse(answer));

    [Theory]
    [InlineData("2.8.0", 1000, false)]
    [InlineData("2.18.9", 1000, false)]
    [InlineData("2.20.0", 1000, true)]
    [InlineData("2.34.8", 1000, true)]
    [InlineData("2.24pre20240827_abcdef0", 1000, true)]
    [InlineData("2.34.8", 0, false)]
    [InlineData("2.34.8", null, false)]
    [InlineData("2.93.3", 1000, false)] // Lix
    [InlineData("unknown", 1000, false)]
    [InlineData(null, 1000, false)]
    public void A_daemon_of_Nix_2_20_keeps_settings_to_itself_where_the_login_is_not_root(string? version, int? user, bool keeps)
    {
        var machine = BuilderMachine.Parse($"user {user}\n");

        Assert.Equal(keeps, new BuilderFacts { Protocol = "1.38", Trusted = true, NixVersion = version, Machine = machine }.KeepsSettings);
    }

    [Fact]
    public void A_greeting_before_the_answer_does_no_harm() => Assert.Equal(8, BuilderMachine.Parse("Welcome to ruby!\n" + Linux).Cores);

    [Fact]
    public async Task The_local_machine_answers_as_others_do()
    {
        var machine = await MachineQuestion.AskAsync(new LocalTransport(), TestContext.Current.CancellationToken);

        Assert.Equal(Environment.ProcessorCount, machine.Cores);
        Assert.True(machine.Memory > 0);
    }

    [Fact]
    public async Task A_login_that_takes_longer_than_an_answer_may_changes_nothing()
    {
        using var farm = new FakeFarm("ruby");
        farm["ruby"].Machine = Linux;
        farm["ruby"].Login = Task.Delay(MachineQuestion.Patience + TimeSpan.FromSeconds(0.5), TestContext.Current.CancellationToken);

        await using var session = await BuilderSession.OpenAsync(
            farm["ruby"].Builder, farm["ruby"], new DaemonOptions(), TestContext.Current.CancellationToken);

        Assert.Equal(8, session.Facts.Machine.Cores);
    }

    [Fact]
    public async Task A_builder_that_does_not_answer_is_unknown()
    {
        using var farm = new FakeFarm("ruby");
        farm["ruby"].Machine = null;

        await using var session = await BuilderSession.OpenAsync(
            farm["ruby"].Builder, farm["ruby"], new DaemonOptions(), TestContext.Current.CancellationToken);

        Assert.Equal(new BuilderMachine(), session.Facts.Machine);
    }

    [Fact]
    public async Task A_run_shares_out_the_cores_that_the_builder_tells()
    {
        using var farm = new FakeFarm("ruby");
        farm["ruby"].Machine = Linux;

        await farm.BuildAsync(
            farm.Derivation("lonely", environment: new Dictionary<string, string> { ["enableParallelBuilding"] = "1" }), on: "ruby");

        Assert.Contains(farm["ruby"].Daemon.AllOptions, options => options.BuildCores == 8);
    }
}
