using System.Diagnostics;
using NixBuildFarm.Builders;
using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Builders;

public sealed class MachineReadingTests : IDisposable
{
    private const string Linux = """
        Welcome to ruby!
        cores 8
        ticks 100
        load 0.52 0.58 0.59 1/467 12345
        busy cpu 1000 200 300 90000 50 10 40 7 0 0
        memory MemTotal: 16000000 kB MemAvailable: 5000000 kB
        pages
        pressure cpu some avg10=12.50 avg60=0.04 avg300=3.64 total=90278941 full avg10=0.00 avg60=0.00 avg300=0.00 total=0
        pressure memory some avg10=0.25 avg60=0.00 avg300=0.00 total=0 full avg10=0.00 avg60=0.00 avg300=0.00 total=0
        pressure io some avg10=3.00 avg60=0.00 avg300=0.24 total=11289111 full avg10=0.00 avg60=0.00 avg300=0.22 total=10627745
        store Filesystem 1024-blocks Used Available Capacity Mounted on /dev/sda1 102400 60000 42400 59% /nix
        room Filesystem 1024-blocks Used Available Capacity Mounted on tmpfs 2000 1000 1000 50% /tmp
        folder drwx------ 3 30001 30000 4096 Nov 29 22:56 /tmp/nix-build-hello-2.12.drv-0
        folder drwx------ 3 30002 30000 4096 Nov 29 22:56 /tmp/nix-build-one.drv-0
        folder drwx------ 3 30002 30000 4096 Nov 29 22:56 /tmp/nix-build-two.drv-0
        folder drwx------ 3 30004 30000 4096 Nov 29 22:56 /tmp/nix-build-a b.drv-0
        build 30001 2048 1234
        build 30002 1024 0
        build 0 10 5 out=/nix/store/pq04w64ic3bg7k9bzh38ng9wi0adiyjx-program
        build 30004 1 1 out=/etc/passwd
        end

        """;

    private readonly string folder = Directory.CreateTempSubdirectory("nixbuildfarm-reading-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_Linux_machine_tells_memory_load_pressure_and_space()
    {
        var reading = MachineReadingParser.Parse(Linux);

        Assert.Equal((8, 0.52, TimeSpan.FromSeconds(15.5)), (reading.Cores, reading.Load, reading.ProcessorTime));
        Assert.Equal((16000000L << 10, 5000000L << 10), (reading.Memory, reading.MemoryAvailable));
        Assert.Equal((12.5, 0.25, 3), (reading.CpuPressure, reading.MemoryPressure, reading.IoPressure));
        Assert.Equal((102400L << 10, 42400L << 10, 1000L << 10), (reading.StoreSize, reading.StoreFree, reading.BuildFree));
    }

    [Fact]
    public void Builds_are_named_by_their_output_else_by_the_one_folder_of_their_user()
    {
        var builds = MachineReadingParser.Parse(Linux).Builds;

        Assert.Equal(["hello-2.12", null, "program", null], builds.Select(build => build.Name));
        Assert.Equal((30001U, 2048L << 10, TimeSpan.FromSeconds(12.34)), (builds[0].User, builds[0].Memory, builds[0].ProcessorTime));
        Assert.Equal("/nix/store/pq04w64ic3bg7k9bzh38ng9wi0adiyjx-program", builds[2].Output);
        Assert.Null(builds[3].Output);
    }

    [Fact]
    public void A_Mac_tells_what_it_can()
    {
        var reading = MachineReadingParser.Parse(
            "cores 10\nload { 2.10 1.80 1.70 }\nbusy\nmemory 17179869184\npages Mach Virtual Memory Statistics: (page size of 16384 bytes) "
                + "Pages free: 100. Pages active: 7777. Pages inactive: 200. Pages speculative: 5. Pages throttled: 0.\npressure cpu\n"
                + "store Filesystem 1024-blocks Used Available Capacity Mounted on /dev/disk3s7 971350180 1000 954812288 1% /nix\nend\n");

        Assert.Equal((10, 2.1, 17179869184), (reading.Cores, reading.Load, reading.Memory));
        Assert.Equal((305L * 16384, 954812288L << 10), (reading.MemoryAvailable, reading.StoreFree));
        Assert.Null(reading.CpuPressure);
        Assert.Empty(reading.Builds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("cores\nload\nbusy\nmemory\npages\npressure\nstore\nroom\nticks\nfolder\nbuild\nend")]
    [InlineData("cores 0\nload -1\nmemory -5\npressure cpu some avg10=101\npressure io some avg10=-1\nticks 0\nbuild -1 1 1\nbuild 0 -1 1")]
    [InlineData(
        "cores 99999999999999\nload NaN\nmemory MemTotal: 99999999999999999999 kB MemAvailable: x kB\nbuild 0 9223372036854775807 1")]
    [InlineData("\0\u001b[2Jcores\u00a08\npages (page size of 4096 bytes) Pages free: 99999999999999999999.")]
    public void An_unclear_answer_is_unknown(string answer)
    {
        var reading = MachineReadingParser.Parse(answer);

        Assert.Equal(new MachineReading() with { Builds = reading.Builds }, reading);
        Assert.Empty(reading.Builds);
    }

    [Fact]
    public void A_machine_that_tells_of_endless_builds_is_believed_so_many()
    {
        var answer = string.Concat(Enumerable.Repeat("build 30001 1 1\n", 10_000));

        Assert.Equal(MachineReadingParser.MostBuilds, MachineReadingParser.Parse(answer).Builds.Count);
    }

    [Fact]
    public async Task The_local_machine_tells_again_and_again()
    {
        await using var live = await OpenAsync();

        for (var i = 0; i < 3; i++)
        {
            var reading = await live.AskAsync(TestContext.Current.CancellationToken);
            Assert.Equal(Environment.ProcessorCount, reading.Cores);
            Assert.InRange(reading.MemoryAvailable!.Value, 1, reading.Memory!.Value);
            Assert.True(reading.ProcessorTime > TimeSpan.Zero);
            Assert.True(reading.BuildFree > 0);
            Assert.Equal(NixBuilder.LocalName, reading.Name);
        }
    }

    [Theory]
    [InlineData("sh")]
    [InlineData("busybox sh")]
    public async Task The_script_ends_with_its_input_and_leaves_nothing_behind(string shell)
    {
        var words = shell.Split(' ');
        Assert.SkipWhen(ProgramPath.Find(words[0]) is null, $"There is no {words[0]} here.");
        using var script = Start(words[0], [.. words[1..], "-c", MachineReading.Question]);

        await script.StandardInput.WriteLineAsync();
        await script.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
        while (await script.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line && line != "end") { }
        script.StandardInput.Close();

        // Whoever held the other end of the pipe would keep this from ending.
        Assert.Equal("", await script.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken));
        await script.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("sh")]
    [InlineData("bash --posix")]
    public async Task Where_there_is_no_proc_other_programs_are_asked(string shell)
    {
        var words = shell.Split(' ');
        Assert.SkipWhen(ProgramPath.Find(words[0]) is null, $"There is no {words[0]} here.");
        WriteProgram("sysctl", "case $2 in hw.memsize) echo 17179869184 ;; vm.loadavg) echo \"{ 2.10 1.80 1.70 }\" ;; esac");
        WriteProgram("vm_stat", "echo \"Mach Virtual Memory Statistics: (page size of 16384 bytes)\"; echo \"Pages free: 100.\"");
        var question = MachineReading.Question.Replace("/proc/", folder + "/none/", StringComparison.Ordinal);
        using var script = Start(words[0], [.. words[1..], "-c", $"PATH={folder}:$PATH; {question}"]);

        await script.StandardInput.WriteLineAsync();
        script.StandardInput.Close();
        var reading = MachineReadingParser.Parse(await script.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken));

        Assert.Equal((2.1, 17179869184, 100 * 16384), (reading.Load, reading.Memory, reading.MemoryAvailable));
        Assert.Equal((Environment.ProcessorCount, null, null), (reading.Cores, reading.ProcessorTime, reading.CpuPressure));
    }

    /// <summary>A shell that is called as Nix's daemon is, and starts what the daemon would.</summary>
    [Fact]
    public async Task A_build_is_found_by_the_daemon_that_runs_it()
    {
        const string Output = "/nix/store/00000000000000000000000000000000-held-1.0";
        Assert.SkipWhen(ProgramPath.Find("setsid") is null || ProgramPath.Find("bash") is null, "There is no setsid or bash here.");
        var daemon = Path.Combine(folder, "nix-daemon");
        File.Copy(ProgramPath.Find("bash")!, daemon);
        using var running = Start(daemon, "-c", $"out={Output} setsid sleep 900 & echo started; cat; kill $!; wait");
        try
        {
            await running.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
            await using var live = await OpenAsync();
            MachineBuild? build = null;
            await Until.TrueAsync(
                async () => (build = (await live.AskAsync(TestContext.Current.CancellationToken)).Builds
                    .FirstOrDefault(one => one.Output == Output)) is not null,
                "the build is seen");

            Assert.Equal("held-1.0", build!.Name);
            Assert.InRange(build.Memory, 1 << 16, 1 << 28);
        }
        finally
        {
            running.StandardInput.Close();
            await running.WaitForExitAsync(CancellationToken.None);
        }
    }

    private static async Task<LiveChannel> OpenAsync() => await LiveChannel.OpenAsync(
        NixBuilder.LocalStore, new LocalTransport(), LiveChannel.Patience, TimeProvider.System, TestContext.Current.CancellationToken);

    private void WriteProgram(string name, string script)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, $"#!/bin/sh\n{script}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    private static Process Start(string program, params string[] arguments) => Process.Start(
        new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
}
