using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>What Nix does on this machine after a build is done for what was built elsewhere too.</summary>
public sealed class HookTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public async Task The_post_build_hook_runs_for_what_came_home_and_its_failure_is_a_warning()
    {
        var (hook, log) = (Path.Combine(session.Folder, "hook"), Path.Combine(session.Folder, "hook.log"));
        File.WriteAllText(
            hook,
            $"#!/bin/sh\necho \"$DRV_PATH $OUT_PATHS\" >> {log}\nfor path in $OUT_PATHS; do test -e $path || exit 3; done\ncase $DRV_PATH "
                + "in *bad*) echo cannot push >&2; exit 1;; esac\n");
        await farm.Coordinator.ExecAsync("chmod", "+x", hook);
        await using var configured = await NixSetting.AddAsync(farm, $"post-build-hook = {hook}");
        session.Write("hooked", """[ (attrs { outputs = [ "out" "dev" ]; } "good" "echo > $out; echo > $dev" [ (package "needed" (sleep 0) [ ]) ]) (package "bad" (sleep 0) [ ]) ]""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path hooked.nix").Succeeded();

        var told = File.ReadAllLines(log).Select(line => line.Split(' ')).ToDictionary(words => words[0], words => words[1..]);
        Assert.Equal(build.Results.Select(r => r.Derivation).Order(), told.Keys.Order());
        Assert.Equal(2, told[build["good"].Derivation].Length);
        Assert.Contains(build.Script.Warnings, warning => warning.Contains("bad") && warning.Contains("cannot push"));
    }

    [Fact]
    public async Task A_user_who_is_not_root_is_told_that_the_post_build_hook_does_not_run()
    {
        await using var configured = await NixSetting.AddAsync(farm, "post-build-hook = /bin/true");
        await farm.Coordinator.ExecAsync("bash", "-c", $$"""
            echo 'derivation { name = "unhooked"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; nonce = "{{Guid.NewGuid()}}"; }' > /home/alice/unhooked.nix; chown alice /home/alice/unhooked.nix
            """);

        var build = await farm.PowerShellAsync(
            "alice",
            "$r = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path /home/alice/unhooked.nix -WarningVariable said; $r.Status; $said");

        Assert.Contains("Built", build.Output);
        Assert.Contains("post-build-hook /bin/true of this machine does not run", build.Output);
    }

    [Fact]
    public async Task The_log_of_what_was_built_or_failed_elsewhere_is_found_by_nix_log()
    {
        session.Write(
            "logged",
            """{ good = package "good" "echo said by good; echo > $out" [ ]; bad = package "bad" "echo said by bad; exit 1" [ ]; }""");

        foreach (var name in (string[])["good", "bad"])
        {
            var build = session.Run($"Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path logged.nix -Attribute {name} -CopyBack None");

            Assert.Equal($"said by {name}", (await farm.Coordinator.ExecAsync("nix", "log", build[name].Derivation)).Trim());
        }
    }

    [Fact]
    public void It_is_told_that_what_stays_on_a_builder_has_no_root_there()
    {
        session.Write("staying", """package "staying" (sleep 0) [ ]""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path staying.nix -CopyBack None").Succeeded();

        Assert.Contains(build.Script.Warnings, warning => warning.Contains("stays on ruby, where no root keeps it"));
    }
}
