using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builders;

/// <summary>The module of docs/examples, unchanged, on two machines that are what it describes.</summary>
public sealed class NixosModuleTests(TestFarm farm) : IAsyncLifetime
{
    private readonly BuildSession session = new();
    private AddedHost workshop = null!;
    private AddedHost attic = null!;

    private string Module => Path.Combine(farm.Repository, "docs/examples/remote-builders.nix");

    // The machines are called otherwise, so that only the module can know what workshop and attic are.
    public async ValueTask InitializeAsync()
    {
        workshop = await AddAsync("opal", "101");
        attic = await AddAsync("topaz", "102");
        session.Write("two", "package \"both\" \"echo $inputs > $out\" (many 15 (i: package \"part-${toString i}\" (sleep 1) [ ]))");
    }

    public async ValueTask DisposeAsync()
    {
        session.Dispose();
        await workshop.DisposeAsync();
        await attic.DisposeAsync();
    }

    [Fact]
    public void It_builds_on_the_builders_of_the_module()
    {
        var build = session.Run($"Get-NixBuilder -NixosModule '{Module}' | Invoke-NixDistributedBuild -NoLocal -Path two.nix").Succeeded();

        Assert.Equal(["attic", "workshop"], build.BuildersUsed);
        Assert.Equal(16, build.Results.Count);
    }

    [Fact]
    public void Its_builders_can_be_tested()
    {
        var tests = session.Run($"Get-NixBuilder -NixosModule '{Module}' workshop, attic | Test-NixBuilder").Script;

        Assert.Equal(["attic", "workshop"], tests.Output.Select(test => $"{test.Properties["Name"].Value}").Order());
        Assert.All(tests.Output, test => Assert.True((bool)test.Properties["Trusted"].Value));
        Assert.Empty(tests.Errors);
    }

    [Fact]
    public async Task Its_host_keys_are_those_that_are_asked_for()
    {
        await using var other = await workshop.InflictAsync(Fault.HostKeyChanged);

        var test = Assert.Single(session.Run($"Get-NixBuilder -NixosModule '{Module}' workshop | Test-NixBuilder").Script.Output);

        Assert.Equal("HostKeyMismatch", $"{test.Properties["State"].Value}");
        var finding = $"{((IEnumerable<object>)test.Properties["Findings"].Value).First()}";
        Assert.Contains($"programs.ssh.knownHosts of {Module}", finding);
    }

    [Fact]
    public void A_jump_through_another_machine_is_followed()
    {
        File.WriteAllText(Path.Combine(session.Folder, "jump.nix"), $$"""
            { lib, ... }: {
              imports = [ {{Module}} ];
              programs.ssh.extraConfig = lib.mkBefore ''
                Host attic
                  ProxyJump nix@workshop
                Host workshop attic
                  IdentityFile /etc/nix/builder-key
              '';
            }
            """);

        var run = session.Run("Get-NixBuilder -NixosModule jump.nix attic | Invoke-NixDistributedBuild -Path two.nix -Verbose").Succeeded();

        Assert.Equal(["attic"], run.BuildersUsed);
        Assert.Contains(run.Script.Verbose, line => line.Contains("attic: uses the ssh program: ProxyJump nix@workshop"));
    }

    private Task<AddedHost> AddAsync(string name, string address) => farm.AddAsync(
        name,
        "--unlisted",
        "--address",
        address,
        "--host-key",
        Path.Combine(farm.Repository, "tests/NixBuildFarm.Farm.Tests/Builders/host-keys", name));
}
