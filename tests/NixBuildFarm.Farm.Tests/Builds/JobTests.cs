using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>A build in the background, with PowerShell's own job cmdlets.</summary>
public sealed class JobTests(TestFarm farm) : IDisposable
{
    private const string Marker = "27182";
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void A_job_gives_its_results_to_Receive_Job_and_ends_as_completed()
    {
        session.Write("some", """package "top" "cat $inputs > $out" [ (package "bottom" (sleep 0.3) [ ]) ]""");

        var build =
            session.Run("$job = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix -AsJob; $null = Wait-Job $job; "
                + "Receive-Job $job");

        Assert.Equal(["bottom Built", "top Built"], build.Results.Select(result => $"{result.Name} {result.Status}"));
        Assert.Equal(
            ["Completed", "NixBuildJob", "False"],
            session.Run("$job.State; $job.PSJobTypeName; $job.HasMoreData").Script.Output.Select(o => o.ToString()));
        Assert.Contains(build.Script.Information, record => record.Tags.Contains("NixBuildSummary"));
        Assert.Contains(build.Script.Progress, record => record.Activity.StartsWith("Building", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("sleep 1; echo > $out", "Built")]
    [InlineData("exit 1", "Failed")]
    public void A_job_is_received_to_its_end_and_removed(string script, string status)
    {
        session.Write("some", $$"""package "top" "{{script}}" [ ]""");

        var build =
            session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix -AsJob | Receive-Job -Wait -AutoRemoveJob");

        Assert.Equal([status], build.Results.Select(result => result.Status.ToString()));
        Assert.Empty(session.Run("Get-Job").Script.Output);
    }

    [Fact]
    public async Task A_job_goes_on_when_the_session_is_elsewhere_and_the_prompt_is_back_at_once()
    {
        var go = $"/tmp/go-{Guid.NewGuid():N}";
        session.Write("some", $$"""package "top" "until [ -e {{go}} ]; do sleep 0.1; done; echo > $out" [ ]""");

        // The build cannot end before the prompt is back.
        var start =
            session.Run("$job = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix -OutLink result -AsJob; $null = "
                + "$ExecutionContext.SessionState.Path.SetLocation('/')");

        Assert.Empty(start.Errors);
        Assert.Equal("Running", session.Run("$job.State").Script.Output.Single().ToString());
        await farm.Ruby.ExecAsync("touch", go);
        session.Run("Receive-Job $job -Wait").Succeeded();
        Assert.True(Path.Exists(Path.Combine(session.Folder, "result")));
    }

    [Fact]
    public async Task Stop_Job_ends_the_builds_on_the_builders()
    {
        session.Write("long", $$"""[ (package "a" "sleep {{Marker}}" [ ]) (package "b" "sleep {{Marker}}" [ ]) ]""");
        session.Run("$job = Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path long.nix -AsJob");
        await Until.TrueAsync(async () => await SleepersAsync() == 2, "both builds run");

        session.Run("Stop-Job $job");

        Assert.Equal("Stopped", session.Run("$job.State").Script.Output.Single().ToString());
        await Until.TrueAsync(async () => await SleepersAsync() == 0, "no build runs");
        session.Run("Remove-Job $job");
        Assert.Empty(session.Run("Get-Job").Script.Output);
    }

    [Fact]
    public void A_job_that_cannot_begin_has_failed_and_says_why()
    {
        var build = session.Run("$job = Invoke-NixDistributedBuild -Path missing.nix -AsJob; $null = Wait-Job $job; Receive-Job $job");

        Assert.Contains("NixFailed", build.Errors);
        Assert.Equal("Failed", session.Run("$job.State").Script.Output.Single().ToString());
    }

    [Fact]
    public void Several_jobs_run_at_once()
    {
        session.Write("one", """package "one" (sleep 0.5) [ ]""");
        session.Write("two", """package "two" (sleep 0.5) [ ]""");

        var build =
            session.Run("$jobs = 'one', 'two' | ForEach-Object { Invoke-NixDistributedBuild -Path \"$_.nix\" -Builder ruby -AsJob }; "
                + "$null = Wait-Job $jobs; Receive-Job $jobs")
            .Succeeded();

        Assert.Equal(["one", "two"], build.Results.Select(result => result.Name).Order());
    }

    private async Task<int> SleepersAsync()
    {
        var count = 0;
        foreach (var host in farm.Builders)
        {
            count += int.Parse(await host.ExecAsync("bash", "-c", $"grep -slz '^{Marker}$' /proc/[0-9]*/cmdline | wc -l"));
        }
        return count;
    }
}
