using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builders;

/// <summary>Settings of Nix on builders and on this machine, and parameters of a builder's URI, that a version of Nix may change.</summary>
public sealed class BuilderSettingsTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    [EveryNix("Builders with `remote-program` and `remote-store`")]
    public async Task Another_daemon_program_and_another_store_of_a_builder_are_used()
    {
        await using var garnet = await farm.AddAsync("garnet", "--sandbox");
        await garnet.ExecAsync(
            "sh", "-c",
            """mkdir /opt/other && printf '#!/bin/sh\necho "$@" >> /opt/other/calls\nexec nix-daemon "$@"\n' > /opt/other/nix-daemon """
                + "&& chmod +x /opt/other/nix-daemon");
        File.WriteAllText(
            Path.Combine(session.Folder, "list"),
            "ssh-ng://root@garnet?remote-program=/opt/other/nix-daemon&remote-store=/nix/other x86_64-linux");
        session.Write("far", """package "top" "/bin/busybox cat $inputs > $out" [ (package "bottom" "echo built > $out" [ ]) ]""");

        var build = session.Run("Get-NixBuilder -Path list garnet | Invoke-NixDistributedBuild -Path far.nix -OutLink result").Succeeded();

        Assert.All(build.Results, result => Assert.Equal("garnet", result.Builder));
        Assert.Equal("built\n", await File.ReadAllTextAsync(Path.Combine(session.Folder, "result")));
        await garnet.ExecAsync("test", "-e", "/nix/other" + build["bottom"].Output);
        Assert.Contains("--stdio --store /nix/other", await garnet.ExecAsync("cat", "/opt/other/calls"));
    }

    [Fact]
    [EveryNix("Builders with `auto-allocate-uids` and `build-dir`")]
    public async Task A_builder_may_choose_the_users_and_the_folder_of_its_builds()
    {
        await using var garnet = await farm.AddAsync(
            "garnet", "--nix", TestFarm.NewestNix, "--conf", "extra-experimental-features = auto-allocate-uids", "--conf",
            "auto-allocate-uids = true", "--conf", "build-users-group = nogroup", "--conf", "build-dir = /nix/builds");
        Assert.SkipWhen(await garnet.NixVersionAsync() < new Version(2, 22), "there is no `build-dir` before Nix 2.22");
        await garnet.ExecAsync("mkdir", "-m", "755", "/nix/builds");
        session.Write("where", """package "where" "pwd > $out; id -u >> $out" [ ]""");

        var build = session.Run("Get-NixBuilder garnet | Invoke-NixDistributedBuild -Path where.nix").Succeeded();

        var (folder, user) = await File.ReadAllLinesAsync(build["where"].Output) is [var first, var second] ? (first, second) : ("", "");
        Assert.StartsWith("/nix/builds/", folder);
        Assert.InRange(int.Parse(user), 30_000, int.MaxValue);
    }

    /// <summary>
    /// As another user than root, <c>nix-daemon --stdio</c> is a client of the daemon that builds. Since 2.20 it opens its connection
    /// before it knows our settings, unless it is told to open one anew for each request. [runDaemon in src/nix/unix/daemon.cc of
    /// NixOS/nix]
    /// </summary>
    [Fact]
    [EveryNix("Settings of a run (`-Cores`, `-Option`, time limits) on builders whose login is not root")]
    public async Task Settings_of_a_run_hold_where_the_login_is_not_root()
    {
        await using var garnet = await farm.AddAsync("garnet", "--user", "nix", "--nix", TestFarm.NewestNix);
        session.Write("cores", """package "cores" "echo $NIX_BUILD_CORES > $out; sleep 30" [ ]""");
        session.Write("seven", """package "seven" "echo $NIX_BUILD_CORES > $out" [ ]""");
        session.Write("old", """package "old" "/bin/busybox uname -r > $out" [ ]""");

        var seven = session.Run("Get-NixBuilder garnet | Invoke-NixDistributedBuild -Path seven.nix -Cores 7").Succeeded();
        var old = session.Run(
            "Get-NixBuilder garnet | Invoke-NixDistributedBuild -Path old.nix -Option @{ 'impersonate-linux-26' = $true }").Succeeded();
        var slow = session.Run("Get-NixBuilder garnet | Invoke-NixDistributedBuild -Path cores.nix -Timeout 00:00:02");

        Assert.Equal("7", (await File.ReadAllTextAsync(seven["seven"].Output)).Trim());
        Assert.StartsWith("2.6.", await File.ReadAllTextAsync(old["old"].Output));
        Assert.Equal("TimedOut", $"{slow["cores"].Status}");
    }

    [Fact]
    [EveryNix("`max-jobs = auto`")]
    public async Task As_many_jobs_as_processors_are_this_machines_where_Nix_is_to_choose()
    {
        await using var setting = await NixSetting.AddAsync(farm, "max-jobs = auto");

        Assert.Equal($"{Environment.ProcessorCount}", session.Run("(Get-NixBuilder local).MaxJobs").Script.Output.Single().ToString());
    }
}
