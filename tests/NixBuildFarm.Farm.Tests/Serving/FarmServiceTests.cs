using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Serving;

/// <summary>A farm that serves in a process of its own, for every session of its user.</summary>
public sealed class FarmServiceTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("NIX_REMOTE", null);
        session.Run("Get-NixBuildFarm | Stop-NixBuildFarm");
        session.Dispose();
    }

    [Fact]
    public void It_serves_until_it_is_stopped_and_is_found_by_name()
    {
        session.Write("one", """package "one" (sleep 0) [ ]""");

        var run = session.Run("""
            Get-NixBuilder ruby | Start-NixBuildFarm team | ForEach-Object Name
            $env:NIX_REMOTE = (Get-NixBuildFarm t*).Address
            sh -c 'nix-build one.nix --no-out-link 2> said'
            $env:NIX_REMOTE = $null
            Stop-NixBuildFarm team
            @(Get-NixBuildFarm).Count
            """);

        Assert.Equal("", run.Errors);
        Assert.Equal(["team", "0"], [run.Script.Output[0].ToString(), run.Script.Output[^1].ToString()]);
        Assert.Equal("one on ruby\n", File.ReadAllText(run.Script.Output[1].ToString()));
    }

    [Fact]
    public void A_second_one_of_the_same_name_is_refused()
    {
        session.Run("Start-NixBuildFarm -Builder ruby");

        Assert.StartsWith("FarmRuns", session.Run("Start-NixBuildFarm -Builder ruby").Errors);
    }

    [Theory]
    [InlineData("Start-NixBuildFarm ../up", "InvalidFarmName")]
    [InlineData("Stop-NixBuildFarm nobody", "FarmNotFound")]
    [InlineData("Get-NixBuildFarm nobody", "FarmNotFound")]
    [InlineData("Stop-NixBuild 2099", "RunNotFound")]
    [InlineData("Start-NixBuildFarm -Builder rubi", "Did you mean ruby")]
    public void Nonsense_is_said_to_be_such(string script, string error) => Assert.Contains(error, session.Run(script).Errors);

    [Fact]
    public void What_was_killed_is_started_anew_and_its_builds_have_ended()
    {
        session.Write("long", """package "long" "sleep 7302" [ ]""");

        var run = session.Run("""
            $first = Start-NixBuildFarm -Builder ruby
            bash -c 'NIX_REMOTE=$1 nix-build long.nix --no-out-link 2> said & until grep -q "on .ruby" said; do sleep 0.1; done; kill -9 $2; wait $!; echo "client: $?"' bash $first.Address $first.ProcessId
            @(Get-NixBuildFarm).Count
            (Start-NixBuildFarm -Builder ruby).ProcessId -ne $first.ProcessId
            """);

        Assert.Equal(["client: 1", "0", "True"], run.Script.Output.Select(o => o.ToString()));
    }

    [Fact]
    public async Task A_run_is_stopped_from_another_session_and_its_client_is_told()
    {
        session.Write("long", """package "long" "sleep 7303" [ ]""");

        var address = session.Run("(Start-NixBuildFarm -Builder ruby).Address").Script.Output[0].ToString();
        using var client = farm.StartAs("root", "sh", "-c", $"NIX_REMOTE={address} nix-build {session.Folder}/long.nix --no-out-link");
        await Until.TrueAsync(
            () => session.Run("@(Get-NixBuild -State Running).Count").Script.Output[0].ToString() != "0", "the run has begun");

        var run = session.Run("$run = Get-NixBuild -State Running; $run.Requested; $run | Stop-NixBuild; ($run | Wait-NixBuild).State");

        Assert.Equal(["long", "Stopped"], run.Script.Output.Select(o => o.ToString()));
        Assert.Contains("The builds were stopped", (await client.WaitAsync(TestContext.Current.CancellationToken)).ToString());
        await Until.TrueAsync(
            async () => !(await farm.Ruby.ExecAsync("ps", "ax", "-o", "args")).Contains("sleep 7303", StringComparison.Ordinal),
            "the build has ended");
    }

    [Fact]
    public void A_build_of_a_session_joins_the_farm_that_serves_and_gives_its_results()
    {
        session.Write("two", """package "two" (sleep 0) [ (package "input" (sleep 0) [ ]) ]""");
        session.Run("Start-NixBuildFarm -Builder ruby");

        var build = session.Run("Invoke-NixDistributedBuild -Path two.nix -OutLink link -Verbose").Succeeded();

        Assert.Contains(build.Script.Verbose, said => said.Contains("The farm default serves", StringComparison.Ordinal));
        Assert.Equal(["input", "two"], build.Results.Select(result => result.Name).Order());
        Assert.Equal(["ruby"], build.BuildersUsed);
        Assert.Equal("two on ruby\n", File.ReadAllText(Path.Combine(session.Folder, "link")));
    }

    [Fact]
    public void A_failure_in_the_farm_is_an_error_of_the_session()
    {
        session.Write("bad", """package "bad" "echo why; exit 3" [ ]""");
        session.Run("Start-NixBuildFarm -Builder ruby");

        Assert.Contains("BuildFailed", session.Run("Invoke-NixDistributedBuild -Path bad.nix").Errors);
    }

    [Fact]
    public void A_detached_build_goes_on_and_is_found_again()
    {
        session.Write("slow", """package "slow" "sleep 2; echo $host > $out" [ ]""");

        var run = session.Run("""
            $null = Start-NixBuildFarm -Builder ruby
            $run = Invoke-NixDistributedBuild -Path slow.nix -Detach
            $run.State
            (Get-NixBuild -State Running).RunId -eq $run.RunId
            ($run | Wait-NixBuild).State
            (Get-NixBuild $run.RunId -Result).Builder
            """);

        Assert.Equal(["Running", "True", "Succeeded", "ruby"], run.Script.Output.Select(o => o.ToString()));
    }

    [Theory]
    [InlineData("Invoke-NixDistributedBuild -Path one.nix -Detach", "NoFarm")]
    [InlineData("Invoke-NixDistributedBuild -Path one.nix -Farm nobody", "FarmNotFound")]
    [InlineData("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path one.nix -Farm nobody", "FarmHasBuilders")]
    public void A_build_that_no_farm_can_carry_out_says_why(string script, string error)
    {
        session.Write("one", """package "one" (sleep 0) [ ]""");

        Assert.StartsWith(error, session.Run(script).Errors);
    }

    [Fact]
    public async Task Another_user_is_let_in_only_where_the_owner_says_so_and_then_has_no_rights_of_the_owner()
    {
        session.Write("one", """package "one" (sleep 0) [ ]""");
        File.Copy(Path.Combine(session.Folder, "one.nix"), "/home/mallory/one.nix", overwrite: true);
        var path = session.Run("nix-store --add one.nix").Script.Output[0].ToString();
        // A folder that others may pass through.
        Directory.CreateDirectory("/run/user/0");
        Environment.SetEnvironmentVariable("XDG_RUNTIME_DIR", "/run/user/0");
        try
        {
            var address = session.Run("(Start-NixBuildFarm -Builder ruby -AllowUser mallory).Address").Script.Output[0].ToString();
            var built = await MalloryAsync($"NIX_REMOTE={address} nix-build one.nix --no-out-link");
            var repaired = await MalloryAsync($"NIX_REMOTE={address} nix-store -r --repair $(nix-instantiate one.nix)");
            var perm = await MalloryAsync($"NIX_REMOTE={address} nix store repair {path} --extra-experimental-features nix-command");
            Assert.True(built.Succeeded, built.ToString());
            Assert.Contains("on 'ruby'", built.ToString());
            Assert.Contains("not allowed", repaired.ToString());
            Assert.False(perm.Succeeded);

            session.Run("Stop-NixBuildFarm");
            address = session.Run("(Start-NixBuildFarm -Builder ruby).Address").Script.Output[0].ToString();
            Assert.False((await MalloryAsync($"NIX_REMOTE={address} nix-build one.nix --no-out-link")).Succeeded);
            session.Run("Stop-NixBuildFarm");
        }
        finally
        {
            Environment.SetEnvironmentVariable("XDG_RUNTIME_DIR", null);
        }
    }

    private Task<CommandResult> MalloryAsync(string script) => farm.RunAsAsync("mallory", "sh", "-c", $"cd /home/mallory; {script}");
}
