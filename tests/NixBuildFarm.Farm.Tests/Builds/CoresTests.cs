namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>What builds are told in NIX_BUILD_CORES on a machine of which the configuration says no number of cores.</summary>
public sealed class CoresTests : IDisposable
{
    private const string Cores = "echo $NIX_BUILD_CORES > $out";
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void A_single_big_build_gets_its_whole_builder()
    {
        session.Write("lonely", $$"""{ big = attrs { enableParallelBuilding = true; } "big" "{{Cores}}" [ ]; }""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path lonely.nix").Succeeded();

        Assert.Equal(Environment.ProcessorCount, CoresOf(build["big"]));
    }

    [Fact]
    public void A_build_that_cannot_use_them_gets_one_core()
    {
        session.Write("serial", $$"""{ serial = package "serial" "{{Cores}}" [ ]; }""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path serial.nix").Succeeded();

        Assert.Equal(1, CoresOf(build["serial"]));
    }

    [Fact]
    public void Builds_at_a_time_share_the_cores()
    {
        session.Write(
            "crowd", $$"""many 6 (i: attrs { enableParallelBuilding = true; } "crowd${toString i}" "sleep 0.5; {{Cores}}" [ ])""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path crowd.nix").Succeeded();

        var together = build.Results.Where(
            one => build.Results.Any(other => other != one && Math.Abs((other.Started - one.Started)!.Value.TotalSeconds) < 0.4))
            .ToList();
        Assert.NotEmpty(together);
        Assert.All(together, one => Assert.Equal(Environment.ProcessorCount / 2, CoresOf(one)));
    }

    [Fact]
    public void The_number_that_the_user_gives_is_taken()
    {
        session.Write("given", $$"""{ given = attrs { enableParallelBuilding = true; } "given" "{{Cores}}" [ ]; }""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path given.nix -Cores 7").Succeeded();

        Assert.Equal(7, CoresOf(build["given"]));
    }

    private static int CoresOf(BuildLine built) => int.Parse(File.ReadAllText(built.Output));
}
