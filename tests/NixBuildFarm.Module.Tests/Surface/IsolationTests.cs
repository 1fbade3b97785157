using System.Net;
using System.Net.Sockets;
using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests.Surface;

/// <summary>
/// A session may have another version of our packages, as one with Posh-SSH has of SSH.NET: each goes on with its own.
/// In processes of their own, since an assembly is loaded for good.
/// </summary>
public sealed class IsolationTests : IDisposable
{
    private const string Package = "Renci.SshNet";

    // Our packages are loaded by the first connection.
    private const string Connect = """
        function Test-Gone([int] $Port) {
            $builder = [NixBuildFarm.Builders.NixBuilder]@{
                Name = 'gone'; HostName = '127.0.0.1'; Port = $Port; User = 'nobody'; Uri = 'ssh-ng://nobody@127.0.0.1'; Systems = [string[]]'x86_64-linux'; Source = 'test'
            }
            $test = $builder | Test-NixBuilder -ErrorAction Stop
            "$($test.State)"
        }

        """;

    private readonly string folder = Directory.CreateTempSubdirectory("isolation").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("2020.0.2.0", "$other = [Reflection.Assembly]::LoadFrom($OtherPackage); Import-Module $Module")]
    [InlineData("2099.1.0.0", "$other = [Reflection.Assembly]::LoadFrom($OtherPackage); Import-Module $Module")]
    [InlineData("2020.0.2.0", "Import-Module $Module; $other = [Reflection.Assembly]::LoadFrom($OtherPackage)")]
    [InlineData("2099.1.0.0", "Import-Module $Module; $other = [Reflection.Assembly]::LoadFrom($OtherPackage)")]
    public async Task Another_version_of_SSH_NET_in_the_session_and_ours_work_side_by_side(string version, string load)
    {
        var other = PackageCopy.WithVersion(ModuleFolder.FileOf("deps", Package + ".dll"), Version.Parse(version), folder);

        var lines = await RunAsync($$"""
            {{load}}
            Test-Gone $Port
            $client = $other.GetType('Renci.SshNet.SshClient')
            try { [Activator]::CreateInstance($client, [object[]]('127.0.0.1', $Port, 'nobody', 'x')).Connect() } catch { $_.Exception.InnerException.GetType().Name }
            [AppDomain]::CurrentDomain.GetAssemblies() | Where-Object { $_.GetName().Name -eq '{{Package}}' } | ForEach-Object {
                "$($_.GetName().Version) in $([Runtime.Loader.AssemblyLoadContext]::GetLoadContext($_).Name)"
            }
            """, other);

        var own = System.Reflection.AssemblyName.GetAssemblyName(ModuleFolder.FileOf("deps", Package + ".dll")).Version;
        Assert.Equal(
            ["Unreachable", nameof(SocketException), $"{version} in Default", $"{own} in NixBuildFarm"],
            lines[..2].Concat(lines[2..].Order()).OrderBy(line => line.EndsWith("NixBuildFarm", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Our_packages_are_not_to_be_found_by_the_session()
    {
        var lines = await RunAsync($$"""
            Import-Module $Module
            Test-Gone $Port
            try { [Reflection.Assembly]::Load('{{Package}}') } catch { $_.Exception.InnerException.GetType().Name }
            """);

        Assert.Equal(["Unreachable", nameof(FileNotFoundException)], lines);
    }

    [Fact]
    public async Task A_session_keeps_the_module_when_another_of_the_process_removes_it()
    {
        var lines = await RunAsync("""
            Import-Module $Module
            $runspace = [Management.Automation.Runspaces.RunspaceFactory]::CreateRunspace([Management.Automation.Runspaces.InitialSessionState]::CreateDefault2())
            $runspace.Open()
            $second = [PowerShell]::Create()
            $second.Runspace = $runspace
            $null = $second.AddScript("Import-Module '$Module'; Remove-Module NixBuildFarm").Invoke()
            if ($second.HadErrors) { $second.Streams.Error }
            Test-Gone $Port
            """);

        Assert.Equal(["Unreachable"], lines);
    }

    private async Task<string[]> RunAsync(string script, string otherPackage = "")
    {
        var file = Path.Combine(folder, "script.ps1");
        await File.WriteAllTextAsync(
            file,
            $"param($Module, $OtherPackage, [int] $Port)\n$ErrorActionPreference = 'Stop'\n{Connect}{script}",
            TestContext.Current.CancellationToken);
        return await EngineProcess.RunAsync(file, RecordingSession.ModuleManifest, otherPackage, ClosedPort().ToString());
    }

    private static int ClosedPort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
