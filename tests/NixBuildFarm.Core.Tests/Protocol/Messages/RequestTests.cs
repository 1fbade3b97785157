using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Protocol.Messages;

/// <summary>What each request looks like, and how the reply to it is read, against bytes that are written down here.</summary>
public class RequestTests
{
    private const string A = "/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y-a";
    private const string B = "/nix/store/wzjm6xvqf9jv0p6a7yqkqk7q4z2k8f8n-b";
    private const string Drv = "/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y-a.drv";
    private const string Hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    private static readonly StorePath PathA = StorePath.Parse(A);
    private static readonly StorePath PathB = StorePath.Parse(B);
    private static readonly StorePath PathDrv = StorePath.Parse(Drv);

    private static readonly ProtocolVersion WithoutFeatures = new(1, 38);

    private static readonly PathInfo Info = new()
    {
        Path = PathA,
        Deriver = PathDrv,
        NarHash = Sha256Hash.ParseHex(Hash),
        NarSize = 1234,
        References = [PathA, PathB],
        RegistrationTime = DateTimeOffset.FromUnixTimeSeconds(23423),
        Ultimate = true,
        Signatures = ["fake-sig-1", "fake-sig-2"],
        ContentAddress = "fixed:r:sha256:1lr187v6dck1rjh2j6svpikcfz53wyl3qrlcbb405zlh13x0khhh",
    };

    private static readonly byte[] InfoBytes = InfoBytesOf(ultimate: 1);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EnsurePath()
    {
        Expect(new EnsurePathRequest(PathA), 10, A);
        await ReplyAsync(new EnsurePathRequest(PathA), 1);
    }

    [Fact]
    public async Task AddTempRoot()
    {
        Expect(new AddTempRootRequest(PathA), 11, A);
        await ReplyAsync(new AddTempRootRequest(PathA), 1);
    }

    [Fact]
    public async Task AddIndirectRoot()
    {
        Expect(new AddIndirectRootRequest("/home/me/result"), 12, "/home/me/result");
        await ReplyAsync(new AddIndirectRootRequest("/home/me/result"), 1);
    }

    [Fact]
    public async Task DeletePaths()
    {
        var request = new DeletePathsRequest([PathA]);
        Expect(request, 20, 3, 1, A, 0, ulong.MaxValue, 0, 0, 0);
        Assert.Equal(77, await ReplyAsync(request, 1, A, 77, 0));
    }

    [Fact]
    public async Task RegisterRealisation()
    {
        var request = new RegisterRealisationRequest(new("sha256:00!out", PathA));

        Expect(
            request,
            WithoutFeatures,
            42,
            "{\"id\":\"sha256:00!out\",\"outPath\":\"" + PathA.BaseName + "\",\"signatures\":[],\"dependentRealisations\":{}}");
        await ReplyAsync(request);
    }

    [Fact]
    public async Task QueryRealisation()
    {
        var request = new QueryRealisationRequest(PathDrv, "sha256:00!out");

        Expect(request, WithoutFeatures, 43, "sha256:00!out");
        Assert.Null(await ReplyAsync(request, ProtocolBytes.Of(0), WithoutFeatures));
        Assert.Equal(
            PathA,
            await ReplyAsync(
                request, ProtocolBytes.Of(1, "{\"id\":\"sha256:00!out\",\"outPath\":\"" + PathA.BaseName + "\"}"), WithoutFeatures));
    }

    [Fact]
    public async Task QueryRealisation_by_path()
    {
        var (request, version) = (
            new QueryRealisationRequest(PathDrv, "sha256:00!dev"), WithoutFeatures with { HasRealisationsByPath = true });

        Expect(request, version, 43, Drv, "dev");
        Assert.Null(await ReplyAsync(request, ProtocolBytes.Of(0), version));
        Assert.Equal(PathA, await ReplyAsync(request, ProtocolBytes.Of(1, A, new[] { "key:c2ln" }), version));
    }

    [Fact]
    public void RegisterRealisation_by_path() => Expect(
        new RegisterRealisationRequest(new("sha256:00!dev", PathA) { Resolved = PathDrv }),
        WithoutFeatures with { HasRealisationsByPath = true },
        42,
        Drv,
        "dev",
        A,
        0);

    [Fact]
    public async Task SetOptions()
    {
        var request = new SetOptionsRequest(new DaemonOptions
        {
            KeepFailed = true,
            KeepGoing = false,
            TryFallback = true,
            Verbosity = Verbosity.Talkative,
            MaxBuildJobs = 3,
            MaxSilentTime = TimeSpan.FromSeconds(59.5),
            BuildCores = 8,
            UseSubstitutes = false,
            Overrides = new Dictionary<string, string> { ["builders"] = "", ["timeout"] = "60" },
        });

        Expect(request, 19, 1, 0, 1, 4, 3, 60, 1, 7, 0, 0, 8, 0, 2, "builders", "", "timeout", "60");
        await ReplyAsync(request);
    }

    [Fact]
    public async Task QueryPathInfo()
    {
        var request = new QueryPathInfoRequest(PathA);

        Expect(request, 26, A);
        Assert.Null(await ReplyAsync(request, 0));
        var info = await ReplyAsync(request, ProtocolBytes.Concat(ProtocolBytes.Of(1), InfoBytes));
        Assert.NotNull(info);
        Assert.Equal(Info with { References = info.References, Signatures = info.Signatures }, info);
        Assert.Equal(Info.References, info.References);
        Assert.Equal(Info.Signatures, info.Signatures);
    }

    [Fact]
    public async Task QueryPathInfo_of_a_path_without_deriver_and_content_address()
    {
        var info = await ReplyAsync(new QueryPathInfoRequest(PathA), 1, "", Hash, 0, 0, 96, 0, 0, "");

        Assert.Null(info!.Deriver);
        Assert.Null(info.ContentAddress);
        Assert.Empty(info.References);
        Assert.False(info.Ultimate);
    }

    [Theory]
    [InlineData("not a hash")]
    [InlineData("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g")]
    [InlineData("")]
    public async Task QueryPathInfo_with_a_hash_that_is_none_is_refused(string hash) =>
        await Assert.ThrowsAsync<WireException>(() => ReplyAsync(new QueryPathInfoRequest(PathA), 1, "", hash, 0, 0, 96, 0, 0, ""));

    [Theory]
    [InlineData(1L << 62)]
    [InlineData(long.MaxValue)]
    [InlineData(-1L)]
    [InlineData(WireLimits.Nar + 1)]
    public async Task QueryPathInfo_with_a_size_that_no_nar_has_is_refused(long size) =>
        await Assert.ThrowsAsync<WireException>(() => ReplyAsync(new QueryPathInfoRequest(PathA), 1, "", Hash, 0, 0, size, 0, 0, ""));

    [Fact]
    public void A_million_sizes_of_nars_can_be_added_up() => Assert.True(WireLimits.Nar <= long.MaxValue / 1_000_000);

    [Fact]
    public async Task QueryPathInfo_with_more_references_than_any_path_has_is_refused_before_they_are_read()
    {
        var e = await Assert.ThrowsAsync<WireException>(() => ReplyAsync(new QueryPathInfoRequest(PathA), 1, "", Hash, 16 << 20));

        Assert.Contains("16777216 items", e.Message);
        Assert.False(e.IsEndOfStream);
    }

    [Fact]
    public async Task QueryPathInfo_with_more_signatures_than_any_path_has_is_refused() =>
        await Assert.ThrowsAsync<WireException>(() => ReplyAsync(new QueryPathInfoRequest(PathA), 1, "", Hash, 0, 0, 96, 0, 20_000));

    [Fact]
    public async Task QueryPathInfo_with_a_time_beyond_all_calendars_is_refused() =>
        await Assert.ThrowsAsync<WireException>(
            () => ReplyAsync(new QueryPathInfoRequest(PathA), 1, "", Hash, 0, ulong.MaxValue, 96, 0, 0, ""));

    [Fact]
    public async Task QueryValidPaths()
    {
        var request = new QueryValidPathsRequest([PathA, PathB], Substitute: true);

        Expect(request, 31, new[] { A, B }, 1);
        Assert.Equal([PathB], await ReplyAsync(request, (object)new[] { B }));
    }

    [Fact]
    public async Task QueryMissing()
    {
        var request = new QueryMissingRequest(
            [DerivedPath.Opaque(PathA), DerivedPath.AllOutputs(PathDrv), DerivedPath.SomeOutputs(PathDrv, "out", "dev")]);

        Expect(request, 40, (object)new[] { A, Drv + "!*", Drv + "!out,dev" });
        var missing = await ReplyAsync(request, new[] { Drv }, new[] { A }, new[] { B }, 100, 200);
        Assert.Equal([PathDrv], missing.WillBuild);
        Assert.Equal([PathA], missing.WillSubstitute);
        Assert.Equal([PathB], missing.Unknown);
        Assert.Equal((100, 200), (missing.DownloadSize, missing.NarSize));
    }

    [Fact]
    public async Task QueryDerivationOutputMap()
    {
        var request = new QueryDerivationOutputMapRequest(PathDrv);

        Expect(request, 41, Drv);
        Assert.Equal(
            new Dictionary<string, StorePath?> { ["dev"] = null, ["out"] = PathA },
            await ReplyAsync(request, 2, "dev", "", "out", A));
    }

    [Fact]
    public async Task NarFromPath()
    {
        Expect(new NarFromPathRequest(PathA), 38, A);
        await ReplyAsync(new NarFromPathRequest(PathA));
    }

    [Fact]
    public void AddToStoreNar_of_a_path_that_the_store_has_not_built_itself()
    {
        var request = new AddToStoreNarRequest(Info, DontCheckSignatures: false);

        Assert.Equal(39UL, (ulong)request.Operation);
        Assert.Equal(
            ProtocolBytes.Concat(ProtocolBytes.Of(A), InfoBytesOf(ultimate: 0), ProtocolBytes.Of(0, 0)), Written(request, WithoutFeatures));
    }

    [Fact]
    public void AddToStoreNar_of_a_path_of_which_little_is_known() =>
        Expect(
            new AddToStoreNarRequest(new() { Path = PathA, NarHash = Info.NarHash, NarSize = 96 }, DontCheckSignatures: true),
            39, A, "", Hash, 0, 0, 96, 0, 0, "", 0, 1);

    [Fact]
    public async Task AddBuildLog()
    {
        Expect(new AddBuildLogRequest(PathDrv), 45, "iylhv1jiapks1396jz2fv8wq85q68y6y-a.drv");
        await ReplyAsync(new AddBuildLogRequest(PathDrv), 1);
    }

    [Fact]
    public void BuildDerivation()
    {
        var derivation = new BasicDerivation
        {
            Outputs = new Dictionary<string, DerivationOutput>
            {
                ["dev"] = new(null, "r:sha256", ""),
                ["out"] = new(PathA, "", ""),
            },
            InputPaths = [PathA, PathB],
            System = "x86_64-linux",
            Builder = "/bin/sh",
            Arguments = ["-c", NixText.GetString([0x65, 0xFF])],
            Environment = new Dictionary<string, string> { ["out"] = A, ["x"] = "" },
        };

        Expect(
            new BuildDerivationRequest(PathDrv, derivation, BuildMode.Check),
            36,
            Drv,
            2, "dev", "", "r:sha256", "", "out", A, "", "",
            new[] { A, B },
            "x86_64-linux",
            "/bin/sh",
            2, "-c", new byte[] { 0x65, 0xFF },
            2, "out", A, "x", "",
            2);
    }

    [Fact]
    public void BuildPaths() =>
        Expect(new BuildPathsRequest([DerivedPath.AllOutputs(PathDrv)], BuildMode.Repair), 9, new[] { Drv + "!*" }, 1);

    [Fact]
    public async Task BuildPathsWithResults()
    {
        var request = new BuildPathsWithResultsRequest([DerivedPath.AllOutputs(PathDrv), DerivedPath.Opaque(PathB)], BuildMode.Normal);

        Expect(request, 46, new[] { Drv + "!*", B }, 0);
        var results = await ReplyAsync(
            request,
            ProtocolBytes.Of(2, Drv + "!*", 3, "builder failed", 1, 0, 10, 20, 0, B, 1, "", 0, 0, 0, 0, 0),
            new(1, 36));
        Assert.Equal([DerivedPath.AllOutputs(PathDrv), DerivedPath.Opaque(PathB)], results.Select(r => r.Path));
        Assert.Equal([BuildStatus.PermanentFailure, BuildStatus.Substituted], results.Select(r => r.Result.Status));
    }

    [Fact]
    public async Task BuildPathsWithResults_for_something_that_is_no_path_is_refused() =>
        await Assert.ThrowsAsync<WireException>(
            () => ReplyAsync(new BuildPathsWithResultsRequest([], BuildMode.Normal), 1, "!*", 0, "", 0, 0, 0, 0, 0, 0, 0));

    private static byte[] InfoBytesOf(int ultimate) => ProtocolBytes.Of(
        Drv, Hash, new[] { A, B }, 23423, 1234, ultimate, new[] { "fake-sig-1", "fake-sig-2" }, Info.ContentAddress!);

    private static void Expect<T>(IRequest<T> request, int operation, params object[] fields) =>
        Expect(request, ProtocolVersion.Newest, operation, fields);

    private static void Expect<T>(IRequest<T> request, ProtocolVersion version, int operation, params object[] fields)
    {
        Assert.Equal((ulong)operation, (ulong)request.Operation);
        Assert.Equal(Convert.ToHexString(ProtocolBytes.Of(fields)), Convert.ToHexString(Written(request, version)));
    }

    private static byte[] Written<T>(IRequest<T> request, ProtocolVersion version)
    {
        var writer = new WireWriter();
        request.Write(writer, version);
        return writer.Written.ToArray();
    }

    private static Task<T> ReplyAsync<T>(IRequest<T> request, params object[] fields) =>
        ReplyAsync(request, ProtocolBytes.Of(fields), ProtocolVersion.Newest);

    private static Task<T> ReplyAsync<T>(IRequest<T> request, byte[] reply) => ReplyAsync(request, reply, ProtocolVersion.Newest);

    private static async Task<T> ReplyAsync<T>(IRequest<T> request, byte[] reply, ProtocolVersion version)
    {
        using var stream = new MemoryStream(reply);
        var reader = new WireReader(stream);
        var result = await request.ReadReplyAsync(reader, version, Cancellation);
        Assert.Equal(0, await reader.ReadRawAsync(new byte[1], Cancellation));
        return result;
    }
}
