using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.History;

/// <summary>A history that cannot be used costs a build nothing but what it would have known.</summary>
public sealed class HistoryFaultTests(TestFarm farm) : IDisposable
{
    private const string Home = "/home/alice/faults";
    private const string File = Home + "/nixbuildfarm/history.db";
    private readonly BuildSession session = new();

    public void Dispose()
    {
        session.Dispose();
        Directory.Delete(Home, recursive: true);
    }

    [Fact]
    public async Task A_locked_one_is_waited_for_and_the_run_is_in_it()
    {
        await BuildAsync();
        Task<CommandResult> building;
        using (var other = HistoryFile.Connect(File))
        {
            using var writing = other.BeginTransaction(deferred: false);
            building = BuildAsync();
            var logs = Home + "/nixbuildfarm/logs";
            await Until.TrueAsync(
                () => Directory.GetFiles(logs, "*-top.log", SearchOption.AllDirectories).Length == 2, "the second build has a log");
            // The run ends now, and waits longer than SQLite itself does.
            await Task.WhenAny(building, Task.Delay(TimeSpan.FromSeconds(10)));
        }

        var build = await building;

        Assert.Contains("Built Built", build.Output);
        Assert.DoesNotContain("goes on without it", build.Output + build.Error);
        Assert.Equal(2, HistoryFile.Texts(File, "SELECT id FROM run").Count);
    }

    [Fact]
    public async Task One_in_a_folder_that_everybody_may_write_to_is_not_used()
    {
        await BuildAsync();
        await farm.Coordinator.ExecAsync("chmod", "a+w", Home + "/nixbuildfarm");

        var build = await BuildAsync("-LogPath /home/alice/fault-logs");

        Warned(build, "chmod go-w");
        Assert.Single(HistoryFile.Texts(File, "SELECT id FROM run"));
    }

    [Fact]
    public async Task A_read_only_one_is_one_warning()
    {
        await BuildAsync();
        await farm.Coordinator.ExecAsync("chmod", "-R", "a-w", Home + "/nixbuildfarm");

        var build = await BuildAsync("-LogPath /home/alice/fault-logs");

        Warned(build, "may not write");
    }

    [Fact]
    public async Task A_folder_in_which_nothing_can_be_made_is_one_warning()
    {
        await BuildAsync();
        await farm.Coordinator.ExecAsync("rm", "-r", Home + "/nixbuildfarm");
        await farm.Coordinator.ExecAsync("chmod", "a-w", Home);

        var build = await BuildAsync("-LogPath /home/alice/fault-logs");

        Warned(build, "may not write");
    }

    [Fact]
    public async Task A_full_disk_is_one_warning()
    {
        await BuildAsync();
        await farm.Coordinator.ExecAsync("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", Home);
        try
        {
            await farm.Coordinator.ExecAsync("bash", "-c", $"chown alice: {Home}; cat /dev/zero > {Home}/ballast || true");

            var build = await BuildAsync("-LogPath /home/alice/fault-logs");

            Warned(build, "");
        }
        finally
        {
            await farm.Coordinator.ExecAsync("umount", Home);
        }
    }

    [Fact]
    public async Task A_corrupt_one_is_one_warning_that_names_it_and_stays_as_it_is()
    {
        await BuildAsync();
        var content = string.Concat(Enumerable.Repeat("this is no database\n", 500));
        await System.IO.File.WriteAllTextAsync(File, content);
        System.IO.File.Delete(File + "-wal");

        var build = await BuildAsync();

        Warned(build, "");
        Assert.Equal(content, await System.IO.File.ReadAllTextAsync(File));
    }

    /// <summary>Builds something new as alice, whom file modes bind.</summary>
    private async Task<CommandResult> BuildAsync(string options = "")
    {
        session.Write("fault", """package "top" "cat $inputs > $out" [ (package "bottom" (sleep 0.1) [ ]) ]""");
        System.IO.File.Copy(Path.Combine(session.Folder, "fault.nix"), "/home/alice/fault.nix", overwrite: true);
        var result = await farm.PowerShellAsync(
            "alice",
            $"$env:XDG_STATE_HOME = '{Home}'; \"$(Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path fault.nix {options} | "
                + "ForEach-Object Status)\"");
        Assert.True(result.Succeeded, result.ToString());
        return result;
    }

    private static void Warned(CommandResult build, string why)
    {
        Assert.Contains("Built Built", build.Output);
        var all = build.Output + build.Error;
        Assert.Equal(2, all.Split("WARNING").Length);
        Assert.Contains(why, all);
        Assert.Contains(File, all);
        Assert.Contains("goes on without it", all);
    }
}
