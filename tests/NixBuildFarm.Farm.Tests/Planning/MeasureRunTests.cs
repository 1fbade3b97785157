using System.Management.Automation;
using NixBuildFarm.Farm.Tests.Builds;

namespace NixBuildFarm.Farm.Tests.Planning;

/// <summary><c>Measure-NixBuild -Run</c>: a run that was recorded, on the farm that it had and on others.</summary>
public sealed class MeasureRunTests : IDisposable
{
    private readonly BuildSession session = new();

    public MeasureRunTests() =>
        session.Write("wide", """package "root" "echo > $out" (many 8 (i: package "leaf${toString i}" (sleep 1) [ ]))""");

    public void Dispose() => session.Dispose();

    [Fact]
    public void A_run_is_measured_on_its_own_farm_and_on_others()
    {
        var build = session.Run("$built = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path wide.nix; $built").Succeeded();

        var same = Measure("Measure-NixBuild");
        Assert.Equal(9, same["Jobs"]);
        Assert.Equal(["ruby"], Builders(same));
        // Eight builds of a second in two slots, and what it takes to begin them.
        Assert.InRange(((TimeSpan)same["ActualMakespan"]!).TotalSeconds, 4, 120);
        Assert.InRange(((TimeSpan)same["Makespan"]!).TotalSeconds, 4, 120);
        Assert.Equal(same["RunId"], Measure("$built | Measure-NixBuild")["RunId"]);

        var wider =
            Measure("Measure-NixBuild $built[0].RunId -AddBuilder @{ Systems = 'x86_64-linux'; MaxJobs = 8; SpeedFactor = 4; Name = "
                + "'board' }");
        Assert.Equal(["board", "ruby"], Builders(wider).Order());
        Assert.True((TimeSpan)wider["Makespan"]! < (TimeSpan)same["Makespan"]!);

        Assert.Equal(["added", "ruby"], Builders(Measure("Measure-NixBuild -AddBuilder @{ Systems = 'riscv64-linux' }")).Order());
        Assert.Equal(["kana"], Builders(Measure("Measure-NixBuild -Builder kana")));
        Assert.Equal(["kana", "local"], Builders(Measure("Measure-NixBuild -Builder local, kana, ruby -WithoutBuilder r*")).Order());
        Assert.NotEmpty(build.Results);
    }

    [Theory]
    [InlineData("-AddBuilder @{ }", "InvalidBuilder")]
    [InlineData("-AddBuilder @{ Systems = 'x86_64-linux'; Sped = 2 }", "InvalidBuilder")]
    [InlineData("-AddBuilder @{ Systems = 'x86_64-linux'; SpeedFactor = 0 }", "InvalidBuilder")]
    [InlineData("-AddBuilder @{ Systems = 'x86_64-linux'; MaxJobs = 'many' }", "InvalidBuilder")]
    [InlineData("-AddBuilder @{ Systems = 'x86_64-linux'; Name = 'ruby' }", "InvalidBuilder")]
    [InlineData("-WithoutBuilder *", "NoBuilder")]
    [InlineData("-WithoutBuilder nobody", "BuilderNotFound")]
    public void A_farm_that_cannot_be_is_an_error(string arguments, string id)
    {
        session.Write("one", """package "one" "echo > $out" [ ]""");
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path one.nix").Succeeded();

        Assert.Contains($"{id},", session.Run($"Measure-NixBuild {arguments}").Errors, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Builders(Dictionary<string, object?> measured) =>
        ((IEnumerable<object>)measured["Utilisation"]!).Select(u => $"{PSObject.AsPSObject(u).Properties["Name"].Value}");

    private Dictionary<string, object?> Measure(string command)
    {
        var output = session.Run(command);
        Assert.True(output.Errors.Length == 0, output.Errors);
        return Assert.Single(output.Script.Output).Properties.ToDictionary(p => p.Name, p => (object?)p.Value);
    }
}
