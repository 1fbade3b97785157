using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Core.Tests.Protocol.Connection;

public class TransferTests
{
    private readonly FakeStore store = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_nar_is_copied_with_its_digest_and_the_connection_goes_on()
    {
        var path = store.AddFile("big", new string('x', 300_000));
        await using var connection = await new FakeDaemon { Store = store }.OpenAsync();
        using var destination = new MemoryStream();

        var digest = await connection.CopyNarToAsync(path, destination, Cancellation);

        Assert.Equal(new NarDigest(store.Find(path)!.NarHash, store.Find(path)!.NarSize), digest);
        Assert.Equal(store.FindNar(path), destination.ToArray());
        Assert.True(await connection.IsValidPathAsync(path, Cancellation));
    }

    [Fact]
    public async Task A_store_that_looks_outputs_up_by_resolved_derivations_is_told_of_those_only()
    {
        await using var connection = await new FakeDaemon { Store = store, Version = ProtocolVersion.Newest }.OpenAsync();
        var (derivation, output) = (FakeStore.PathOf("resolved.drv"), FakeStore.PathOf("output"));

        await connection.RegisterRealisationsAsync(
            [new("sha256:00!out", FakeStore.PathOf("unknown")), new("sha256:11!dev", output) { Resolved = derivation }], Cancellation);

        Assert.Equal([$"{derivation}^dev {output}"], store.Realisations);
        Assert.False(await connection.IsValidPathAsync(output, Cancellation));
    }

    [Fact]
    public async Task Many_nars_are_asked_for_without_waiting_for_each_and_taken_one_by_one()
    {
        var paths = Enumerable.Range(0, 500).Select(i => store.AddFile($"p{i}", new string('x', i * 37))).ToArray();
        await using var connection = await new FakeDaemon { Store = store, Capacity = 4096 }.OpenAsync();
        var taken = new List<StorePath>();

        await connection.CopyNarsAsync(paths, TakeAsync, Cancellation);

        Assert.Equal(paths, taken);
        Assert.True(await connection.IsValidPathAsync(paths[0], Cancellation));

        async Task TakeAsync(StorePath path, Func<Stream, Task> copyTo)
        {
            using var destination = new MemoryStream();
            await copyTo(destination);
            Assert.Equal(store.FindNar(path), destination.ToArray());
            taken.Add(path);
        }
    }

    [Fact]
    public async Task Nars_after_one_that_is_not_valid_are_not_taken()
    {
        StorePath[] paths = [store.AddFile("first"), FakeStore.PathOf("absent"), store.AddFile("last")];
        await using var connection = await new FakeDaemon { Store = store }.OpenAsync();
        var taken = new List<StorePath>();

        var e = await Assert.ThrowsAsync<DaemonException>(() => connection.CopyNarsAsync(paths, async (path, copyTo) =>
        {
            await copyTo(Stream.Null);
            taken.Add(path);
        }, Cancellation));

        Assert.Contains(paths[1].ToString(), e.Message);
        Assert.Equal([paths[0]], taken);
        Assert.True(connection.IsBroken);
    }

    [Theory]
    [InlineData(34)]
    [InlineData(38)]
    public async Task The_nar_of_a_path_that_is_not_valid_is_what_the_daemon_says_of_it(int minor)
    {
        var path = FakeStore.PathOf("absent");
        await using var connection = await new FakeDaemon { Store = store, Version = new(1, (byte)minor) }.OpenAsync();

        var e = await Assert.ThrowsAsync<DaemonException>(() => connection.CopyNarToAsync(path, Stream.Null, Cancellation));

        Assert.Equal($"ruby: error: path '{path}' is not valid", e.Message);
        Assert.True(connection.IsBroken);
    }

    [Fact]
    public async Task A_nar_that_breaks_off_is_a_lost_connection()
    {
        var path = store.AddFile("big", new string('x', 300_000));
        await using var connection = await new FakeDaemon { Store = store, Faults = new() { EndAfter = 100_000 } }.OpenAsync();

        var e = await Assert.ThrowsAsync<BuilderException>(() => connection.CopyNarToAsync(path, Stream.Null, Cancellation));

        Assert.Equal(BuilderFailure.ConnectionLost, e.Failure);
        Assert.Contains(path.ToString(), e.Message);
        Assert.True(connection.IsBroken);
    }

    [Fact]
    public async Task A_nar_that_is_none_is_refused()
    {
        var (info, _) = FakeStore.FileOf("odd", []);
        store.Add(info, ProtocolBytes.Of("nix-archive-1", "(", "type", "socket", ")"));
        await using var connection = await new FakeDaemon { Store = store }.OpenAsync();

        var e = await Assert.ThrowsAsync<BuilderException>(() => connection.CopyNarToAsync(info.Path, Stream.Null, Cancellation));

        Assert.Equal(BuilderFailure.Incompatible, e.Failure);
        Assert.True(connection.IsBroken);
    }

    [Fact]
    public async Task A_destination_that_fails_is_the_callers_error_and_breaks_the_connection()
    {
        var path = store.AddFile("big", new string('x', 300_000));
        await using var connection = await new FakeDaemon { Store = store }.OpenAsync();

        await Assert.ThrowsAsync<NotSupportedException>(
            () => connection.CopyNarToAsync(path, new MemoryStream([], writable: false), Cancellation));

        Assert.True(connection.IsBroken);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(65_536)]
    [InlineData(1_000_000)]
    public async Task A_path_is_added_with_its_nar(int size)
    {
        var (info, nar) = FakeStore.FileOf("new", new byte[size]);
        await using var connection = await new FakeDaemon { Store = store, Capacity = 4096 }.OpenAsync();

        await connection.AddToStoreNarAsync(Source(info, nar), dontCheckSignatures: true, Cancellation);

        Assert.Equal(nar, store.FindNar(info.Path));
        Assert.Equal(info.NarHash, (await connection.QueryPathInfoAsync(info.Path, Cancellation))!.NarHash);
    }

    [Fact]
    public async Task Many_paths_are_added_without_waiting_for_each()
    {
        var sources = Enumerable.Range(0, 200).Select(i => FakeStore.FileOf($"p{i}", new byte[i * 37])).ToList();
        sources.Add(FakeStore.FileOf("last", [1], [.. sources.Select(s => s.Info.Path)]));
        var daemon = new FakeDaemon { Store = store, Capacity = 4096, Faults = new() { HoldRepliesUntil = sources.Count } };
        await using var connection = await daemon.OpenAsync();

        await connection.AddMultipleToStoreAsync(
            [.. sources.Select(s => Source(s.Info, s.Nar))], dontCheckSignatures: _ => true, Cancellation);

        Assert.All(sources, source => Assert.Equal(source.Nar, store.FindNar(source.Info.Path)));
        Assert.Equal(sources[^1].Info.References, store.Find(sources[^1].Info.Path)!.References);
    }

    [Fact]
    public async Task No_paths_are_added_too()
    {
        await using var connection = await new FakeDaemon { Store = store }.OpenAsync();

        await connection.AddMultipleToStoreAsync([], dontCheckSignatures: _ => true, Cancellation);

        Assert.False(connection.IsBroken);
    }

    [Fact]
    public async Task A_daemon_that_talks_while_it_reads_holds_nobody_up()
    {
        var (info, nar) = FakeStore.FileOf("new", new byte[3_000_000]);
        var lines = 0;
        var daemon = new FakeDaemon { Store = store, Capacity = 1024, Faults = new() { LogLinesPerFrame = 200 } };
        await using var connection = await daemon.OpenAsync(new() { Builder = "ruby", Sink = _ => lines++ });

        await connection.AddToStoreNarAsync(new(info, WriteAsync), dontCheckSignatures: true, Cancellation);

        Assert.Equal(200 * nar.Chunk(60_000).Count(), lines);

        // Each piece is large enough for a frame of its own.
        async Task WriteAsync(Stream body, CancellationToken token)
        {
            foreach (var piece in nar.Chunk(60_000)) await body.WriteAsync(piece, token);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2_000_000)]
    public async Task A_path_that_is_refused_leaves_the_connection_usable(int size)
    {
        var (info, nar) = FakeStore.FileOf("new", new byte[size]);
        await using var connection = await new FakeDaemon
        {
            Store = store,
            Faults = new() { Body = BodyFault.ErrorAfterTheEnd },
        }.OpenAsync();

        for (var i = 0; i < 20; i++)
        {
            var e = await Assert.ThrowsAsync<DaemonException>(() => connection.AddToStoreNarAsync(Source(info, nar), true, Cancellation));
            Assert.Contains("no space left", e.Text);
            Assert.False(connection.IsBroken);
            Assert.False(await connection.IsValidPathAsync(info.Path, Cancellation));
        }
    }

    [Fact]
    public async Task A_path_that_is_refused_costs_only_itself()
    {
        var (first, refused, last) = (
            FakeStore.FileOf("first", [1]), FakeStore.FileOf("refused", [2], FakeStore.PathOf("absent")), FakeStore.FileOf("last", [3]));
        await using var connection = await new FakeDaemon { Store = store }.OpenAsync();

        var e = await Assert.ThrowsAsync<DaemonException>(
            () => connection.AddMultipleToStoreAsync([Source(first), Source(refused), Source(last)], _ => true, Cancellation));

        Assert.Contains("absent' is not valid", e.Message);
        Assert.False(connection.IsBroken);
        Assert.Equal(
            new HashSet<StorePath> { first.Info.Path, last.Info.Path },
            await connection.QueryValidPathsAsync([first.Info.Path, refused.Info.Path, last.Info.Path], false, Cancellation));
    }

    [Fact]
    public async Task A_path_that_is_valid_already_does_no_harm()
    {
        var (a, b) = (FakeStore.FileOf("a", [1]), FakeStore.FileOf("b", [2]));
        await using var connection = await new FakeDaemon { Store = store }.OpenAsync();

        await connection.AddMultipleToStoreAsync([Source(a), Source(a), Source(b)], _ => true, Cancellation);

        Assert.True(store.IsValid(a.Info.Path) && store.IsValid(b.Info.Path));
    }

    [Theory]
    [InlineData(BodyFault.ErrorInTheMiddle)]
    [InlineData(BodyFault.ErrorWithoutReading)]
    [InlineData(BodyFault.ErrorAndClose)]
    public async Task An_error_in_the_middle_of_a_body_stops_it_and_gives_the_connection_up(BodyFault fault)
    {
        var (info, _) = FakeStore.FileOf("endless", new byte[1]);
        var daemon = new FakeDaemon { Store = store, Capacity = 4096, Faults = new() { Body = fault } };
        await using var connection = await daemon.OpenAsync();

        var e = await Assert.ThrowsAsync<DaemonException>(
            () => connection.AddToStoreNarAsync(new(info with { NarSize = WireLimits.Nar }, WriteEndlesslyAsync), true, Cancellation));

        Assert.Contains("no space left", e.Text);
        Assert.True(connection.IsBroken);
        Assert.Equal(0, daemon.CompleteBodies);
        await daemon.AllClosedAsync();
    }

    [Fact]
    public async Task An_error_in_the_middle_reaches_a_writer_that_waits_for_something_else()
    {
        var (info, _) = FakeStore.FileOf("slow", new byte[1]);
        var daemon = new FakeDaemon { Store = store, Faults = new() { Body = BodyFault.ErrorInTheMiddle } };
        await using var connection = await daemon.OpenAsync();

        await Assert.ThrowsAsync<DaemonException>(
            () => connection.AddToStoreNarAsync(new(info with { NarSize = WireLimits.Nar }, WriteAndWaitAsync), true, Cancellation));

        static async Task WriteAndWaitAsync(Stream nar, CancellationToken token)
        {
            await nar.WriteAsync(new byte[1 << 20], token);
            await Task.Delay(Timeout.Infinite, token);
        }
    }

    [Fact]
    public async Task A_daemon_that_vanishes_in_the_middle_of_a_body_is_a_lost_connection()
    {
        var (info, _) = FakeStore.FileOf("endless", new byte[1]);
        await using var connection = await new FakeDaemon { Store = store, Faults = new() { Body = BodyFault.Close } }.OpenAsync();

        var e = await Assert.ThrowsAsync<BuilderException>(
            () => connection.AddToStoreNarAsync(new(info with { NarSize = WireLimits.Nar }, WriteEndlesslyAsync), true, Cancellation));

        Assert.Equal(BuilderFailure.ConnectionLost, e.Failure);
        Assert.True(connection.IsBroken);
    }

    public static TheoryData<string, Func<byte[], byte[]>> Damages => new()
    {
        { "ends after", nar => nar[..^8] },
        { "is longer", nar => [.. nar, 0] },
        { "ends after", _ => [] },
    };

    [Theory]
    [MemberData(nameof(Damages), DisableDiscoveryEnumeration = true)]
    public async Task A_nar_that_is_not_as_long_as_announced_never_reaches_its_end(string problem, Func<byte[], byte[]> damage)
    {
        var (good, goodNar) = FakeStore.FileOf("good", [1]);
        var (info, nar) = FakeStore.FileOf("new", new byte[200_000]);
        var daemon = new FakeDaemon { Store = store };
        await using var alone = await daemon.OpenAsync();
        await using var several = await daemon.OpenAsync();

        var e = await Assert.ThrowsAsync<NarMismatchException>(
            () => alone.AddToStoreNarAsync(Source(info, damage(nar)), true, Cancellation));
        await Assert.ThrowsAsync<NarMismatchException>(
            () => several.AddMultipleToStoreAsync([Source(good, goodNar), Source(info, damage(nar))], _ => true, Cancellation));

        Assert.Equal("NarMismatch", e.Id);
        Assert.Contains($"{info.Path} {problem}", e.Message);
        Assert.True(alone.IsBroken && several.IsBroken);
        await daemon.AllClosedAsync();
        Assert.False(store.IsValid(info.Path));
    }

    [Fact]
    public async Task A_nar_with_other_bytes_is_refused_by_the_daemon_which_says_what_it_refused()
    {
        var (good, goodNar) = FakeStore.FileOf("good", [1]);
        var (info, nar) = FakeStore.FileOf("new", new byte[200_000]);
        await using var connection = await new FakeDaemon { Store = store }.OpenAsync();

        var e = await Assert.ThrowsAsync<DaemonException>(
            () => connection.AddMultipleToStoreAsync(
                [Source(info, [.. nar[..1000], 1, .. nar[1001..]]), Source(good, goodNar)], _ => true, Cancellation));

        Assert.Equal((true, info.Path), (e.RefusesNar, e.Refused));
        Assert.Equal((false, true, false), (store.IsValid(info.Path), store.IsValid(good.Path), connection.IsBroken));
    }

    [Fact]
    public async Task A_writer_that_fails_is_the_callers_error_and_breaks_the_connection()
    {
        var (info, _) = FakeStore.FileOf("new", [1]);
        var daemon = new FakeDaemon { Store = store };
        await using var connection = await daemon.OpenAsync();

        await Assert.ThrowsAsync<FileNotFoundException>(
            () => connection.AddToStoreNarAsync(new(info, (_, _) => throw new FileNotFoundException()), true, Cancellation));

        Assert.True(connection.IsBroken);
        await daemon.AllClosedAsync();
        Assert.Equal(0, daemon.CompleteBodies);
    }

    [Fact]
    public async Task A_nar_passes_from_one_daemon_to_another()
    {
        var path = store.AddFile("big", new string('x', 500_000));
        var other = new FakeStore();
        await using var from = await new FakeDaemon { Store = store, Capacity = 4096 }.OpenAsync();
        await using var to = await new FakeDaemon { Store = other, Capacity = 4096 }.OpenAsync();

        await to.AddToStoreNarAsync(new(store.Find(path)!, (nar, token) => from.CopyNarToAsync(path, nar, token)), true, Cancellation);

        Assert.Equal(store.FindNar(path), other.FindNar(path));
        Assert.False(from.IsBroken || to.IsBroken);
    }

    [Fact]
    public async Task An_error_of_the_daemon_that_a_nar_comes_from_is_not_taken_for_one_of_the_daemon_that_it_goes_to()
    {
        var (info, _) = FakeStore.FileOf("absent", [1]);
        await using var from = await new FakeDaemon { Store = store }.OpenAsync(new() { Builder = "from" });
        await using var to = await new FakeDaemon { Store = new() }.OpenAsync(new() { Builder = "to" });

        var e = await Assert.ThrowsAsync<DaemonException>(
            () => to.AddToStoreNarAsync(new(info, (nar, token) => from.CopyNarToAsync(info.Path, nar, token)), true, Cancellation));

        Assert.Equal("from", e.Builder);
        Assert.True(to.IsBroken); // Its body has no end.
    }

    [Fact]
    public async Task A_path_whose_nar_has_no_known_size_cannot_be_added()
    {
        var (info, nar) = FakeStore.FileOf("new", [1]);
        await using var connection = await new FakeDaemon { Store = store }.OpenAsync();

        await Assert.ThrowsAsync<NarMismatchException>(
            () => connection.AddToStoreNarAsync(Source(info with { NarSize = 0 }, nar), true, Cancellation));

        Assert.False(connection.IsBroken);
    }

    [Fact]
    public async Task A_build_log_is_kept()
    {
        var derivation = FakeStore.PathOf("hello.drv");
        await using var connection = await new FakeDaemon { Store = store }.OpenAsync();

        await connection.AddBuildLogAsync(derivation, new MemoryStream([1, 2, 3]), Cancellation);

        Assert.Equal([1, 2, 3], store.BuildLogs[derivation.BaseName]);
        Assert.False(connection.IsBroken);
    }

    [Fact]
    public async Task A_build_log_that_is_refused_unread_costs_the_connection()
    {
        await using var connection = await new FakeDaemon { Store = store, Trust = DaemonTrust.NotTrusted }.OpenAsync();

        var e = await Assert.ThrowsAsync<DaemonException>(
            () => connection.AddBuildLogAsync(FakeStore.PathOf("hello.drv"), new MemoryStream([1, 2, 3]), Cancellation));

        Assert.Contains("not privileged", e.Text);
        Assert.True(connection.IsBroken);
    }

    private static NarSource Source((PathInfo Info, byte[] Nar) entry) => Source(entry.Info, entry.Nar);

    private static NarSource Source(PathInfo info, byte[] nar) => new(info, async (stream, token) => await stream.WriteAsync(nar, token));

    private static async Task WriteEndlesslyAsync(Stream nar, CancellationToken token)
    {
        while (true) await nar.WriteAsync(new byte[100_000], token);
    }
}
