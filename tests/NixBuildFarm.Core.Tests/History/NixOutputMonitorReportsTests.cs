using NixBuildFarm.Builders;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.History;

public class NixOutputMonitorReportsTests
{
    private static readonly NixBuilder[] Builders =
    [
        new()
        {
            Name = "local", HostName = "localhost", Uri = "auto", Scheme = StoreScheme.Local, Systems = ["x86_64-linux"], Source = "x",
        },
        new()
        {
            Name = "ruby", HostName = "ruby.example", Uri = "ssh-ng://ruby.example", Systems = ["riscv64-linux"], SpeedFactor = 4,
            Source = "x",
        },
    ];

    private static readonly DateTimeOffset Now = new(2026, 11, 30, 0, 0, 0, TimeSpan.Zero);

    private static IReadOnlyList<BuildObservation> Read(params string[] lines) => NixOutputMonitorReports.Read(
        ["hostname,derivation name,utc time,build seconds", .. lines], new(Builders), Now);

    [Theory]
    [InlineData("", "local", "x86_64-linux")]
    [InlineData("localhost", "local", "x86_64-linux")]
    [InlineData("ruby", "ruby", "riscv64-linux")]
    [InlineData("ruby.example", "ruby", "riscv64-linux")]
    [InlineData("ssh-ng://root@ruby.example:2222?x=y", "ruby", "riscv64-linux")]
    [InlineData("unheard-of", "unheard-of", "x86_64-linux")]
    public void A_report_is_one_of_the_builder_on_its_host(string host, string builder, string system)
    {
        var build = Assert.Single(Read($"{host},llvm,2026-11-29 10:20:30,1234"));

        Assert.Equal((builder, system), (build.Builder, build.System));
        Assert.Equal(("llvm", 1234.0, EstimateSource.NixOutputMonitor), (build.Package, build.Seconds, build.Source));
        Assert.Equal(new DateTimeOffset(2026, 11, 29, 10, 20, 30, TimeSpan.Zero), build.At);
    }

    [Theory]
    [InlineData("")]
    [InlineData(",,2026-11-29 10:20:30,1234")]
    [InlineData(",llvm,2026-11-29,1234")]
    [InlineData(",llvm,2099-11-29 10:20:30,1234")]
    [InlineData(",llvm,2026-11-29 10:20:30,-5")]
    [InlineData(",llvm,2026-11-29 10:20:30,0")]
    [InlineData(",llvm,2026-11-29 10:20:30,99999999999999999999")]
    [InlineData(",llvm,2026-11-29 10:20:30,12,34")]
    [InlineData(",\"llvm\",2026-11-29 10:20:30,12")]
    [InlineData("a b,llvm,2026-11-29 10:20:30,12")]
    public void Lines_that_are_no_reports_are_passed_over(string line) => Assert.Single(Read(line, ",gcc,2026-11-29 10:20:30,12"));

    [Fact]
    public void Where_no_machine_is_known_no_report_is_of_use() =>
        Assert.Empty(NixOutputMonitorReports.Read([",gcc,2026-11-29 10:20:30,12"], new([]), Now));

    [Fact]
    public void A_report_counts_by_the_speed_of_its_builder() => Assert.Equal(
        [4, 1, 1],
        Read("ruby,gcc,2026-11-29 10:20:30,12", ",gcc,2026-11-29 10:20:30,12", "unheard-of,gcc,2026-11-29 10:20:30,12")
            .Select(build => build.SpeedFactor));
}
