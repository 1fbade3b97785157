using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using NixBuildFarm.Core.Tests.Store;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Store.Nar;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary>The real thing: the installed <c>nix-daemon</c> over a store in a folder of the test's own.</summary>
public sealed class NixDaemonTests : IDisposable
{
    private const string Shell = "/bin/busybox";

    private readonly TemporaryFolder folder = new();
    private readonly List<Process> daemons = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        foreach (var daemon in daemons)
        {
            daemon.Kill();
            daemon.WaitForExit();
            daemon.Dispose();
        }
        folder.Dispose();
    }

    [Fact]
    public async Task It_greets()
    {
        await using var connection = await OpenAsync();

        Assert.True(connection.Version >= ProtocolVersion.Oldest && connection.Version <= ProtocolVersion.Newest);
        if (connection.Version >= new ProtocolVersion(1, 33)) Assert.Matches(@"^\d+\.\d+", connection.NixVersion);
        Assert.NotEqual(DaemonTrust.NotTrusted, connection.Trust);
    }

    [Fact]
    public async Task It_takes_a_path_and_gives_it_back()
    {
        var (info, nar) = FakeStore.FileOf("hello", Encoding.UTF8.GetBytes(new string('x', 1_000_000)));
        await using var connection = await OpenAsync();

        Assert.False(await connection.IsValidPathAsync(info.Path, Cancellation));
        await connection.AddToStoreNarAsync(Source(info, nar), dontCheckSignatures: true, Cancellation);

        Assert.True(await connection.IsValidPathAsync(info.Path, Cancellation));
        var registered = await connection.QueryPathInfoAsync(info.Path, Cancellation);
        Assert.Equal((info.NarHash, info.NarSize), (registered!.NarHash, registered.NarSize));
        using var back = new MemoryStream();
        Assert.Equal(new NarDigest(info.NarHash, info.NarSize), await connection.CopyNarToAsync(info.Path, back, Cancellation));
        Assert.Equal(nar.AsSpan(), back.ToArray().AsSpan());
    }

    [Fact]
    public async Task It_takes_a_thousand_paths_in_one_go()
    {
        var sources = Enumerable.Range(0, 999).Select(i => FakeStore.FileOf($"p{i}", new byte[i])).ToList();
        sources.Add(FakeStore.FileOf("all", [], [.. sources.Select(s => s.Info.Path).Order()]));
        var paths = sources.Select(s => s.Info.Path).ToList();
        await using var connection = await OpenAsync();

        await connection.AddTempRootsAsync(paths, Cancellation);
        await connection.AddMultipleToStoreAsync(
            [.. sources.Select(s => Source(s.Info, s.Nar))], dontCheckSignatures: _ => true, Cancellation);

        Assert.Equal(1000, (await connection.QueryValidPathsAsync(paths, substitute: false, Cancellation)).Count);
        var infos = await connection.QueryPathInfosAsync([.. paths, FakeStore.PathOf("absent")], Cancellation);
        Assert.Equal(1000, infos.Count);
        Assert.All(sources, source => Assert.Equal(source.Info.NarHash, infos[source.Info.Path].NarHash));
        Assert.Equal(999, infos[paths[^1]].References.Count);
    }

    [Fact]
    public async Task It_takes_again_what_it_has()
    {
        var (a, b) = (FakeStore.FileOf("a", [1]), FakeStore.FileOf("b", [2]));
        await using var connection = await OpenAsync();
        await connection.AddToStoreNarAsync(Source(a.Info, a.Nar), true, Cancellation);

        await connection.AddToStoreNarAsync(Source(a.Info, a.Nar), true, Cancellation);
        await connection.AddMultipleToStoreAsync([Source(a.Info, a.Nar), Source(b.Info, b.Nar)], _ => true, Cancellation);

        Assert.Equal(2, (await connection.QueryValidPathsAsync([a.Info.Path, b.Info.Path], false, Cancellation)).Count);
    }

    [Fact]
    public async Task It_does_not_know_what_it_has_not()
    {
        var absent = FakeStore.PathOf("absent");
        await using var connection = await OpenAsync();

        Assert.Null(await connection.QueryPathInfoAsync(absent, Cancellation));
        Assert.Empty(await connection.QueryValidPathsAsync([absent], substitute: true, Cancellation));
        Assert.Equal([absent], (await connection.QueryMissingAsync([DerivedPath.Opaque(absent)], Cancellation)).Unknown);
    }

    [Fact]
    public async Task It_refuses_and_goes_on()
    {
        var (info, nar) = FakeStore.FileOf("new", new byte[500_000], FakeStore.PathOf("absent"));
        await using var connection = await OpenAsync();

        for (var i = 0; i < 5; i++)
        {
            await Assert.ThrowsAsync<DaemonException>(() => connection.EnsurePathAsync(FakeStore.PathOf("absent"), Cancellation));
            await Assert.ThrowsAsync<DaemonException>(
                () => connection.QueryDerivationOutputMapAsync(FakeStore.PathOf("absent.drv"), Cancellation));
            var e = await Assert.ThrowsAsync<DaemonException>(() => connection.AddToStoreNarAsync(Source(info, nar), true, Cancellation));
            Assert.Contains("is not valid", e.Message);
            await Assert.ThrowsAsync<DaemonException>(
                () => connection.AddMultipleToStoreAsync([Source(info, nar)], _ => true, Cancellation));
            Assert.False(connection.IsBroken);
            Assert.False(await connection.IsValidPathAsync(info.Path, Cancellation));
        }
    }

    [Fact]
    public async Task It_says_that_there_is_no_such_nar()
    {
        await using var connection = await OpenAsync();

        var e = await Assert.ThrowsAsync<DaemonException>(
            () => connection.CopyNarToAsync(FakeStore.PathOf("absent"), Stream.Null, Cancellation));

        Assert.Contains("-absent", e.Message);
        Assert.True(connection.IsBroken);
    }

    [Fact]
    public async Task It_takes_no_nar_that_is_not_the_announced_one()
    {
        var (info, nar) = FakeStore.FileOf("new", new byte[500_000]);
        await using (var connection = await OpenAsync())
        {
            var e = await Assert.ThrowsAsync<DaemonException>(
                () => connection.AddToStoreNarAsync(Source(info, [.. nar[..1000], 1, .. nar[1001..]]), true, Cancellation));
            Assert.Equal((true, info.Path, false), (e.RefusesNar, e.Refused, connection.IsBroken));
        }
        await using var another = await OpenAsync();

        Assert.False(await another.IsValidPathAsync(info.Path, Cancellation));
    }

    [Fact]
    public async Task It_heeds_settings_and_keeps_temporary_roots_from_being_collected()
    {
        var (kept, lost) = (FakeStore.FileOf("kept", [1]), FakeStore.FileOf("lost", [2]));
        await using var connection = await OpenAsync();
        await connection.SetOptionsAsync(
            new() { KeepGoing = true, Overrides = new Dictionary<string, string> { ["builders"] = "" } }, Cancellation);
        await connection.AddTempRootsAsync([kept.Info.Path], Cancellation);
        await connection.AddMultipleToStoreAsync([Source(kept.Info, kept.Nar)], _ => true, Cancellation);
        await using (var other = await OpenAsync())
        {
            await other.AddMultipleToStoreAsync([Source(lost.Info, lost.Nar)], _ => true, Cancellation);
        }

        using (var collection = Process.Start(Nix("nix-store", "--gc"))!)
        {
            collection.BeginErrorReadLine();
            collection.BeginOutputReadLine();
            await collection.WaitForExitAsync(Cancellation);
            Assert.Equal(0, collection.ExitCode);
        }

        Assert.True(await connection.IsValidPathAsync(kept.Info.Path, Cancellation));
        Assert.False(await connection.IsValidPathAsync(lost.Info.Path, Cancellation));
    }

    [Fact]
    public async Task It_keeps_a_build_log()
    {
        var derivation = FakeStore.PathOf("hello.drv");
        await using var connection = await OpenAsync();

        await connection.AddBuildLogAsync(derivation, new MemoryStream("it worked\n"u8.ToArray()), Cancellation);

        Assert.False(connection.IsBroken);
        Assert.True(Directory.EnumerateFiles(folder, derivation.BaseName[2..] + "*", SearchOption.AllDirectories).Any());
    }

    [Fact]
    public async Task It_builds_and_tells_line_by_line()
    {
        var messages = new List<DaemonMessage>();
        await using var connection = await OpenAsync();
        var output = FakeStore.PathOf("built");

        var result = await connection.BuildDerivationAsync(
            FakeStore.PathOf("built.drv"), Script("built", output, "echo one; echo two; echo > $out"), BuildMode.Normal, messages.Add,
            Cancellation);

        Assert.True(result.IsSuccess, result.ErrorMessage);
        Assert.Equal(["one", "two"], messages.OfType<BuildLogLine>().Select(line => line.Line));
        Assert.True((await connection.QueryPathInfoAsync(output, Cancellation))!.Ultimate);
    }

    [Fact]
    public async Task It_tells_why_a_build_failed()
    {
        await using var connection = await OpenAsync();
        var output = FakeStore.PathOf("broken");

        var failed = await connection.BuildDerivationAsync(
            FakeStore.PathOf("broken.drv"), Script("broken", output, "echo alas; exit 3"), BuildMode.Normal, sink: null, Cancellation);
        var impossible = await connection.BuildDerivationAsync(
            FakeStore.PathOf("broken.drv"), Script("broken", output, "true") with { System = "vax-ultrix" }, BuildMode.Normal, sink: null,
            Cancellation);

        Assert.Equal(BuildStatus.PermanentFailure, failed.Status);
        Assert.Contains("exit code 3", failed.ErrorMessage);
        Assert.DoesNotContain('\x1b', failed.ErrorMessage);
        Assert.Equal(BuildStatus.MiscFailure, impossible.Status);
        Assert.Contains("vax-ultrix", impossible.ErrorMessage);
    }

    [Fact]
    public async Task It_ends_when_its_build_is_cancelled()
    {
        var started = new TaskCompletionSource();
        using var cancel = new CancellationTokenSource();
        await using var connection = await OpenAsync();

        var building = connection.BuildDerivationAsync(
            FakeStore.PathOf("endless.drv"),
            Script("endless", FakeStore.PathOf("endless"), "echo begun; while true; do sleep 1; done"),
            BuildMode.Normal,
            message =>
            {
                if (message is BuildLogLine) started.TrySetResult();
            },
            cancel.Token);
        await started.Task.WaitAsync(Cancellation);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => building);
        await daemons[0].WaitForExitAsync(Cancellation);
    }

    private static NarSource Source(PathInfo info, byte[] nar) => new(info, async (stream, token) => await stream.WriteAsync(nar, token));

    private static BasicDerivation Script(string name, StorePath output, string script)
    {
        Assert.SkipUnless(File.Exists(Shell), $"Builds need a shell that needs nothing else: install {Shell} (Debian: busybox-static).");
        return new()
        {
            Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(output, "", "") },
            InputPaths = [],
            System = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "aarch64-linux" : "x86_64-linux",
            Builder = "/bin/sh",
            Arguments = ["-c", script],
            Environment = new Dictionary<string, string> { ["name"] = name, ["out"] = output.ToString() },
        };
    }

    private async Task<DaemonConnection> OpenAsync()
    {
        Assert.SkipUnless(IsInstalled("nix-daemon"), "No nix-daemon is in the PATH: install Nix (Debian: nix-bin).");
        var daemon = Process.Start(Nix("nix-daemon", "--stdio"))!;
        daemon.BeginErrorReadLine(); // Read and dropped: what matters of it comes through the protocol.
        daemons.Add(daemon);
        var stream = new DuplexStream(daemon.StandardOutput.BaseStream, daemon.StandardInput.BaseStream);
        return await DaemonConnection.OpenAsync(stream, new() { Builder = "here" }, Cancellation);
    }

    private ProcessStartInfo Nix(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["NIX_REMOTE"] = folder["root"];
        start.Environment["NIX_CONF_DIR"] = folder["etc"];
        start.Environment["NIX_CONFIG"] = $"""
            build-users-group =
            substituters =
            sandbox = false
            sandbox-paths = /bin/sh={Shell}
            """;
        return start;
    }

    private static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(directory => File.Exists(Path.Combine(directory, program)));
}
