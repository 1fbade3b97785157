using System.Diagnostics;
using NixBuildFarm.Builders;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Builders;

public class BuildTimesTests
{
    private const string Hash = "iylhv1jiapks1396jz2fv8wq85q68y6y";

    private static string Line(string birth, string change, string name) => $"{birth} {change} ./{Hash[..2]}/{Hash[2..]}-{name}";

    [Theory]
    [InlineData("1796014300.25", "1796014391.75", 91.5)]
    [InlineData("1796014300", "1796014391", 91)]
    public void A_build_took_from_the_birth_of_its_log_to_the_last_change(string birth, string change, double seconds)
    {
        var build = Assert.Single(BuildTimes.Parse($"Welcome to ruby\n{Line(birth, change, "hello-2.12.drv.bz2")}\n"));

        Assert.Equal(seconds, build.Seconds, 0.001);
        Assert.Equal($"/nix/store/{Hash}-hello-2.12.drv", build.Derivation.ToString());
        Assert.Equal(DateTimeOffset.UnixEpoch.AddSeconds(1796014391), build.Ended, TimeSpan.FromSeconds(1));
    }

    [Theory]
    [InlineData("0.00", "1796014391.75")]
    [InlineData("-", "1796014391")]
    [InlineData("1796014391", "1796014300")]
    [InlineData("1796014391", "1796014391")]
    [InlineData("1700000000", "1796014391")]
    [InlineData("1e9", "1796014391")]
    [InlineData("NaN", "1796014391")]
    [InlineData("1796014300", "99999999999999999999")]
    public void Times_that_cannot_be_those_of_a_build_tell_nothing(string birth, string change) =>
        Assert.Empty(BuildTimes.Parse(Line(birth, change, "hello-2.12.drv.bz2")));

    [Theory]
    [InlineData("./iy/hello-2.12.drv")]
    [InlineData("./../../../etc/passwd")]
    [InlineData("/etc/passwd")]
    [InlineData("./iy/lhv1jiapks1396jz2fv8wq85q68y6y-hello-2.12")]
    [InlineData("./iy/lhv1jiapks1396jz2fv8wq85q68y6y-hello;rm.drv")]
    public void Files_that_are_no_logs_of_derivations_tell_nothing(string file) =>
        Assert.Empty(BuildTimes.Parse($"1796014300 1796014391 {file}"));

    [Fact]
    public void No_more_builds_are_taken_in_than_were_asked_for() => Assert.Equal(
        BuildTimes.MostBuilds,
        BuildTimes.Parse(string.Join('\n', Enumerable.Repeat(Line("1796014300", "1796014391", "a.drv"), 5000))).Count);

    [Fact]
    public void Only_what_tells_of_a_package_is_kept()
    {
        var names = new[]
        {
            "hello-2.12.drv.bz2", "hello-2.12.tar.gz.drv.bz2", "source.drv", "fix.patch.drv", "gcc-wrapper-14.drv", "gcc-14.3.drv",
        };
        var ruby = new NixBuilder
        {
            Name = "ruby", HostName = "10.0.0.1", Uri = "ssh-ng://ruby", Systems = ["riscv64-linux", "x86_64-linux"], SpeedFactor = 2,
            Source = "x",
        };

        var builds = LoggedBuilds.Of(
            BuildTimes.Parse(string.Join(
                '\n',
                names.Select(name => Line("1796014300", "1796014391", name)).Append(Line("4000000000", "4000000091", "zlib-1.drv")))),
            ruby,
            DateTimeOffset.FromUnixTimeSeconds(1796014391));

        // The last one ended in a hundred years.
        Assert.Equal(["hello", "gcc"], builds.Select(build => build.Package));
        Assert.All(builds, build => Assert.Equal(
            ("ruby", "riscv64-linux", 2.0, EstimateSource.NixLog), (build.Builder, build.System, build.SpeedFactor, build.Source)));
    }

    [Fact]
    public void The_script_is_one_that_every_shell_takes_and_that_ends()
    {
        Assert.DoesNotContain(BuildTimes.Question, letter => letter is '\'' or '\\' or '\n' or '!');
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", BuildTimes.Question]) { RedirectStandardOutput = true })!;

        var answer = shell.StandardOutput.ReadToEnd();
        shell.WaitForExit();

        Assert.Equal(0, shell.ExitCode);
        Assert.InRange(BuildTimes.Parse(answer).Count, 0, BuildTimes.MostBuilds);
    }
}
