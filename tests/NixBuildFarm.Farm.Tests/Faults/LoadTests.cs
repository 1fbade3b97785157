using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Faults;

/// <summary>Much of everything: many builds, long logs, logs that are no text.</summary>
public sealed class LoadTests(TestFarm farm) : IDisposable
{
    private const long Megabyte = 1 << 20;
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void A_thousand_builds_of_10_ms_are_all_built_and_leave_no_memory_behind()
    {
        session.Write("warm", """package "warm" (sleep 0) [ ]""");
        session.Run("Get-NixBuilder ruby, kana, aquamarine | Invoke-NixDistributedBuild -Path warm.nix").Succeeded();
        session.Write(
            "thousand", """package "root" "echo > $out" (many 1000 (i: package "leaf${toString i}" "sleep 0.01; echo > $out" [ ]))""");
        var before = GC.GetTotalMemory(forceFullCollection: true);

        Assert.Equal(
            1001,
            session.Run("Get-NixBuilder ruby, kana, aquamarine | Invoke-NixDistributedBuild -Path thousand.nix -CopyBack Requested")
                .Succeeded()
                .Results.Count);

        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 30 * Megabyte);
    }

    [Fact]
    public async Task A_log_of_200_MB_is_kept_whole_and_costs_no_memory()
    {
        session.Write("wordy", """package "wordy" "head -c 200000000 /dev/zero | tr '\\0' x | fold -w 999; echo; echo > $out" [ ]""");
        File.Copy(Path.Combine(session.Folder, "wordy.nix"), "/home/alice/wordy.nix", overwrite: true);

        var shell = await farm.PowerShellAsync("alice", """
            $log = (Get-NixBuilder kana | Invoke-NixDistributedBuild -Path wordy.nix -LogTo build.log).LogPath
            "$([IO.FileInfo]::new("$PWD/build.log").Length) $([IO.FileInfo]::new($log).Length) $([Diagnostics.Process]::GetCurrentProcess().PeakWorkingSet64)"
            """);

        var numbers = shell.Output.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries)
            .TakeLast(3)
            .Select(long.Parse)
            .ToArray();
        const int Lines = (200_000_000 / 999) + 1;
        Assert.Equal(200_000_000 + Lines + (Lines * "wordy (kana)> ".Length), numbers[0]);
        Assert.Equal(200_000_000 + Lines, numbers[1]);
        Assert.InRange(numbers[2], 0, 400 * Megabyte);
    }

    [Fact]
    public void Build_output_reaches_no_terminal_as_control_and_is_kept_byte_for_byte()
    {
        session.Write("rude", """
            package "rude" "printf '\\033]0;stolen title\\007\\033[2Jplain \\377\\376 \\033[31mred\\033[0m\\n'; head -c 3000000 /dev/zero | tr '\\0' y; echo; exit 1" [ ]
            """);

        var build = session.Run("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path rude.nix -InformationAction Continue");

        Assert.DoesNotContain('\u001b', build.Errors);
        Assert.DoesNotContain(
            build.Script.Information, record => record.MessageData.ToString()!.Contains('\u001b', StringComparison.Ordinal));
        Assert.Contains("plain", build.Errors);
        var log = File.ReadAllBytes(build["rude"].LogPath!);
        Assert.Contains((byte)0xFF, log);
        Assert.Equal(3_000_000, log.Count(letter => letter == (byte)'y'));
    }
}
