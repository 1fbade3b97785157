using System.Management.Automation;
using NixBuildFarm.EngineHost;
using NixBuildFarm.Module.Tests.Builders;

namespace NixBuildFarm.Module.Tests.Measuring;

/// <summary>Past runs, where there are none; the farm's tests measure real ones.</summary>
[Collection(MachineGroup.Name)]
public sealed class MeasureRunTests : IDisposable
{
    private readonly MachineSession machine = new();
    private readonly string state = Directory.CreateTempSubdirectory("state").FullName;
    private readonly string? outside = Environment.GetEnvironmentVariable("XDG_STATE_HOME");

    public MeasureRunTests() => Environment.SetEnvironmentVariable("XDG_STATE_HOME", state);

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("XDG_STATE_HOME", outside);
        machine.Dispose();
        Directory.Delete(state, recursive: true);
    }

    [Theory]
    [InlineData("Measure-NixBuild")]
    [InlineData("Measure-NixBuild 2026")]
    [InlineData("Measure-NixBuild -RunId 2026")]
    [InlineData("[pscustomobject]@{ RunId = '2026' } | Measure-NixBuild")]
    public void A_run_that_was_not_recorded_is_an_error_and_no_history_is_made(string command)
    {
        var error = Fail(machine.Run(command));

        Assert.Equal("RunNotFound,NixBuildFarm.Measuring.MeasureNixBuildCommand", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.ObjectNotFound, error.CategoryInfo.Category);
        Assert.Empty(Directory.EnumerateFileSystemEntries(state));
    }

    [Fact]
    public void Nothing_through_the_pipeline_measures_nothing()
    {
        var result = machine.Run("@() | Measure-NixBuild");

        Assert.Null(result.TerminatingError);
        Assert.Empty(result.Errors);
        Assert.Empty(result.Output);
    }

    [Theory]
    [InlineData("Measure-NixBuild -Run 1 -GraphPath g -DurationPath d -FarmPath f")]
    [InlineData("Measure-NixBuild -GraphPath g -DurationPath d -FarmPath f -AddBuilder @{ Systems = 'riscv64-linux' }")]
    [InlineData("Measure-NixBuild -AddBuilder 7")]
    public void Runs_and_files_do_not_mix(string command)
    {
        Assert.Contains(
            Fail(machine.Run(command)).CategoryInfo.Category,
            (ErrorCategory[])[ErrorCategory.InvalidArgument, ErrorCategory.MetadataError]);
    }

    private static ErrorRecord Fail(ScriptResult result)
    {
        Assert.Empty(result.Output);
        return result.TerminatingError ?? Assert.Single(result.Errors);
    }
}
