using System.Net;
using System.Net.Sockets;
using NixBuildFarm.Module.Tests.Builders;

namespace NixBuildFarm.Module.Tests.Surface;

/// <summary>Whatever names builders goes down the pipeline into the cmdlets that take builders.</summary>
[Collection(MachineGroup.Name)]
public class BuilderPipelineTests
{
    [Theory]
    [InlineData("Get-NixBuilder 127.0.0.1 | Test-NixBuilder")]
    [InlineData("Get-NixBuilder 127.0.0.1 | Test-NixBuilder | Test-NixBuilder")]
    [InlineData("'127.*' | Test-NixBuilder")]
    [InlineData("Test-NixBuilder -Name 127.0.0.1, 127.*")]
    [InlineData("[pscustomobject]@{ Name = '127.0.0.1' } | Test-NixBuilder")]
    [InlineData("[pscustomobject]@{ HostName = '127.0.0.1' } | Test-NixBuilder")]
    [InlineData("[pscustomobject]@{ ComputerName = '127.0.0.1' } | Test-NixBuilder")]
    [InlineData("Set-NixBuilderPolicy 127.0.0.1 -MaxJobs 2 -Scope Session; Get-NixBuilderPolicy | Test-NixBuilder")]
    public void A_builder_is_taken_by_what_names_it(string command)
    {
        using var machine = new MachineSession($"ssh-ng://nobody@127.0.0.1:{ClosedPort()}");

        Assert.Equal(["Unreachable"], machine.Values(command, "State").Select(state => $"{state}"));
    }

    [Theory]
    [InlineData("42 | Test-NixBuilder")]
    [InlineData("[pscustomobject]@{ Title = 'ruby' } | Test-NixBuilder")]
    [InlineData("Set-NixBuilderPolicy -MaxJobs 2 -Scope Session; Get-NixBuilderPolicy -Scope Session | Test-NixBuilder")]
    public void An_object_that_names_no_builder_is_an_error_that_says_what_does(string command)
    {
        using var machine = new MachineSession("ruby");

        var result = machine.Run(command);

        Assert.Empty(result.Output);
        var error = result.TerminatingError ?? Assert.Single(result.Errors);
        Assert.StartsWith("InvalidBuilder,", error.FullyQualifiedErrorId);
        Assert.Contains("Get-NixBuilder", error.ErrorDetails.RecommendedAction);
    }

    private static int ClosedPort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
