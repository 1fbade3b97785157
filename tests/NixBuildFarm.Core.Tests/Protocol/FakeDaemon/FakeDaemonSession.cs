using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary>One connection of a fake daemon.</summary>
internal sealed class FakeDaemonSession
{
    private const ulong Last = 0x616c7473;
    private const ulong Error = 0x63787470;
    private const ulong Next = 0x6f6c6d67;

    private readonly FakeDaemon daemon;
    private readonly MemoryChannel channel;
    private readonly WireReader reader;
    private readonly WireWriter writer = new();
    private readonly List<byte> held = [];
    private readonly CancellationToken gone;
    private ProtocolVersion version;
    private long sent;
    private int requests;
    private int frames;

    public FakeDaemonSession(FakeDaemon daemon, MemoryChannel channel)
    {
        this.daemon = daemon;
        this.channel = channel;
        gone = channel.ClientGone;
        reader = new WireReader(channel.Server);
    }

    private FakeStore Store => daemon.Store;

    private FakeFaults Faults => daemon.Faults;

    public async Task RunAsync()
    {
        await using var server = channel.Server;
        try
        {
            await Task.Yield();
            await GreetAsync();
            while (true) await ServeAsync((WorkerOperation)await reader.ReadUInt64Async(gone));
        }
        catch (Exception e) when (e is WireException { IsEndOfStream: true } or IOException or OperationCanceledException
            or SessionEndedException)
        {
            // The client has gone, or this session was told to end.
        }
    }

    private async Task GreetAsync()
    {
        if (Faults.IsMute) await Task.Delay(Timeout.Infinite, gone);
        await SendRawAsync(Faults.Stray);
        Assert.Equal(0x6e697863UL, await reader.ReadUInt64Async(gone));
        writer.WriteUInt64(0x6478696f);
        writer.WriteUInt64(daemon.Version.ToWire());
        await SendAsync();
        var theirs = ProtocolVersion.FromWire(await reader.ReadUInt64Async(gone));
        version = theirs < daemon.Version ? theirs : daemon.Version;
        if (version.Minor >= 38)
        {
            version = daemon.Version.SharedWith(await reader.ReadStringsAsync(100, gone));
            writer.WriteStrings([.. daemon.Version.Features, .. daemon.OtherFeatures]);
            await SendAsync();
        }
        Assert.Equal(0UL, await reader.ReadUInt64Async(gone));
        Assert.Equal(0UL, await reader.ReadUInt64Async(gone));
        if (version.Minor >= 33) writer.WriteString(daemon.NixVersion);
        if (version.Minor >= 35) writer.WriteUInt64((ulong)daemon.Trust);
        writer.WriteUInt64(Last);
        await SendAsync();
    }

    private async Task ServeAsync(WorkerOperation operation)
    {
        daemon.Requests.Enqueue(operation);
        reader.BeginMessage();
        requests++;
        if (daemon.IsStopped || operation == Faults.SilentAt) await Task.Delay(Timeout.Infinite, gone);
        await AnswerAsync(operation);
        await SendAsync();
    }

    private async Task AnswerAsync(WorkerOperation operation)
    {
        switch (operation)
        {
            case WorkerOperation.EnsurePath:
                var ensured = await reader.ReadStorePathAsync(gone);
                if (!Store.Substitute(ensured)) Fail($"path '{ensured}' does not exist and cannot be created");
                else if (Begin(operation)) writer.WriteUInt64(1);
                break;
            case WorkerOperation.AddTempRoot:
                Store.TempRoots.Enqueue(await reader.ReadStorePathAsync(gone));
                if (Begin(operation)) writer.WriteUInt64(1);
                break;
            case WorkerOperation.AddIndirectRoot:
                Store.IndirectRoots.Enqueue(await reader.ReadStringAsync(4096, gone));
                if (Begin(operation)) writer.WriteUInt64(1);
                break;
            case WorkerOperation.CollectGarbage:
                await DeletePathsAsync();
                break;
            case WorkerOperation.SetOptions:
                daemon.AllOptions.Enqueue(await ReadOptionsAsync());
                Begin(operation);
                break;
            case WorkerOperation.QueryPathInfo:
                var info = Store.Find(await reader.ReadStorePathAsync(gone));
                if (!Begin(operation)) break;
                writer.WriteBool(info is not null);
                if (info is not null) PathInfoLayout.Write(writer, info);
                break;
            case WorkerOperation.QueryValidPaths:
                var paths = await reader.ReadStorePathsAsync(gone);
                if (await reader.ReadBoolAsync(gone)) foreach (var path in paths) Store.Substitute(path);
                if (Begin(operation)) writer.WriteStorePaths([.. paths.Where(Store.IsValid)]);
                break;
            case WorkerOperation.QueryMissing:
                await QueryMissingAsync();
                break;
            case WorkerOperation.QueryDerivationOutputMap:
                var derivation = await reader.ReadStorePathAsync(gone);
                if (!Store.Outputs.TryGetValue(derivation, out var outputs)) Fail($"path '{derivation}' is not valid");
                else if (Begin(operation)) WriteOutputs(outputs);
                break;
            case WorkerOperation.RegisterRealisation:
                Store.Realisations.Enqueue(await ReadRealisationAsync());
                Begin(operation);
                break;
            case WorkerOperation.QueryRealisation:
                await QueryRealisationAsync();
                break;
            case WorkerOperation.NarFromPath:
                await NarFromPathAsync();
                break;
            case WorkerOperation.AddToStoreNar:
                await AddToStoreNarAsync();
                break;
            case WorkerOperation.AddBuildLog:
                await AddBuildLogAsync();
                break;
            case WorkerOperation.BuildDerivation:
                await BuildDerivationAsync();
                break;
            case WorkerOperation.BuildPaths:
                await BuildPathsAsync();
                break;
            case WorkerOperation.BuildPathsWithResults when version.Minor >= 34:
                await BuildPathsWithResultsAsync();
                break;
            default:
                Fail($"invalid operation {(ulong)operation}");
                await SendAsync();
                throw new SessionEndedException();
        }
    }

    /// <summary>As Nix's daemon: where realisations have paths, it understands no others.</summary>
    private async Task<string> ReadRealisationAsync()
    {
        if (!version.HasRealisationsByPath)
        {
            Assert.False(daemon.Version.HasRealisationsByPath, "It would take the realisation for the next request.");
            return await reader.ReadStringAsync(1000, gone);
        }
        var (derivation, output) = (await reader.ReadStorePathAsync(gone), await reader.ReadStringAsync(100, gone));
        var path = await reader.ReadStorePathAsync(gone);
        Assert.Empty(await reader.ReadStringsAsync(100, gone));
        return $"{derivation}^{output} {path}";
    }

    private async Task QueryRealisationAsync()
    {
        if (!version.HasRealisationsByPath)
        {
            Assert.False(daemon.Version.HasRealisationsByPath, "It would take the name for the next request.");
            var known = Store.FindRealisation(await reader.ReadStringAsync(1000, gone));
            if (Begin(WorkerOperation.QueryRealisation)) writer.WriteStrings(known is null ? [] : [known]);
            return;
        }
        var name = $"{await reader.ReadStorePathAsync(gone)}^{await reader.ReadStringAsync(100, gone)} ";
        var path = Store.Realisations.FirstOrDefault(text => text.StartsWith(name, StringComparison.Ordinal))?[name.Length..];
        if (!Begin(WorkerOperation.QueryRealisation)) return;
        writer.WriteBool(path is not null);
        if (path is null) return;
        writer.WriteStorePath(StorePath.Parse(path));
        writer.WriteStrings([]);
    }

    /// <summary>Ends the messages before a reply; false where an error stands in the reply's place.</summary>
    private bool Begin(WorkerOperation operation)
    {
        if (Faults.Refusals.TryGetValue(operation, out var refusal))
        {
            Fail(refusal);
            return false;
        }
        writer.WriteUInt64(Last);
        return true;
    }

    private void Fail(string message)
    {
        writer.WriteUInt64(Error);
        writer.WriteString("Error");
        writer.WriteUInt64(0);
        writer.WriteString("Error");
        writer.WriteString($"\x1b[31;1merror:\x1b[0m {message}");
        writer.WriteUInt64(0);
        writer.WriteUInt64(1);
        writer.WriteUInt64(0);
        writer.WriteString("while serving the fake request");
    }

    private async Task<DaemonOptions> ReadOptionsAsync()
    {
        var fields = new long[12];
        for (var i = 0; i < fields.Length; i++) fields[i] = await reader.ReadInt64Async(gone);
        var overrides = new Dictionary<string, string>();
        var count = await reader.ReadCountAsync(gone);
        for (var i = 0; i < count; i++) overrides[await reader.ReadStringAsync(1000, gone)] = await reader.ReadStringAsync(1000, gone);
        return new DaemonOptions
        {
            KeepFailed = fields[0] != 0,
            KeepGoing = fields[1] != 0,
            TryFallback = fields[2] != 0,
            Verbosity = (Verbosity)fields[3],
            MaxBuildJobs = (int)fields[4],
            MaxSilentTime = TimeSpan.FromSeconds(fields[5]),
            BuildCores = (int)fields[10],
            UseSubstitutes = fields[11] != 0,
            Overrides = overrides,
        };
    }

    /// <summary>Deletes one after the other until one is in use, as Nix's daemon does.</summary>
    private async Task DeletePathsAsync()
    {
        Assert.Equal(3UL, await reader.ReadUInt64Async(gone));
        var paths = await reader.ReadStorePathsAsync(gone);
        for (var i = 0; i < 5; i++) await reader.ReadUInt64Async(gone);
        foreach (var path in paths)
        {
            if (Store.InUse.ContainsKey(path))
            {
                Fail($"Cannot delete path '{path}' since it is still alive.");
                return;
            }
            Store.Remove(path);
        }
        if (!Begin(WorkerOperation.CollectGarbage)) return;
        writer.WriteUInt64(0);
        writer.WriteUInt64(0);
        writer.WriteUInt64(0);
    }

    private async Task QueryMissingAsync()
    {
        var paths = await ReadDerivedPathsAsync();
        if (!Begin(WorkerOperation.QueryMissing)) return;
        var opaque = paths.Where(p => p.Outputs is null).Select(p => p.Path).Where(p => !Store.IsValid(p)).ToList();
        var derivations = paths.Where(p => p.Outputs is not null).Select(p => p.Path).ToList();
        // It does not know what a derivation needs: all that its substituters have might be of use.
        var wanted = derivations.Count > 0
            ? Store.Substitutable.Keys.Where(p => !Store.IsValid(p))
            : opaque.Where(Store.Substitutable.ContainsKey);
        var substitutable = wanted.ToList();
        writer.WriteStorePaths(derivations);
        writer.WriteStorePaths(substitutable);
        writer.WriteStorePaths([.. opaque.Except(substitutable)]);
        writer.WriteInt64(substitutable.Count * 10);
        writer.WriteInt64(substitutable.Sum(p => Store.Substitutable[p].Info.NarSize));
    }

    private void WriteOutputs(IReadOnlyDictionary<string, StorePath?> outputs)
    {
        writer.WriteInt64(outputs.Count);
        foreach (var (name, path) in outputs)
        {
            writer.WriteString(name);
            writer.WriteStorePath(path);
        }
    }

    private async Task NarFromPathAsync()
    {
        var path = await reader.ReadStorePathAsync(gone);
        writer.WriteUInt64(Last);
        if (Store.FindNar(path) is { } nar)
        {
            await SendAsync();
            await SendRawAsync(nar);
        }
        else
        {
            // As Nix's daemon does: it finds out too late, says so where the NAR should begin, twice, and ends. Older ones have begun.
            if (version.Minor <= 34) writer.WriteString("nix-archive-1");
            Fail($"path '{path}' is not valid");
            Fail($"path '{path}' is not valid");
            await SendAsync();
            throw new SessionEndedException();
        }
    }

    private async Task AddToStoreNarAsync()
    {
        var path = await reader.ReadStorePathAsync(gone);
        var info = await PathInfoLayout.ReadAsync(reader, path, gone);
        await reader.ReadBoolAsync(gone);
        var checks = !await reader.ReadBoolAsync(gone) || daemon.Trust == DaemonTrust.NotTrusted;
        await ReadBodyAsync(WorkerOperation.AddToStoreNar, body => AddAsync(info, checks, body));
    }

    private async Task AddAsync(PathInfo info, bool checks, Stream body)
    {
        Store.Received.Enqueue(info.Path);
        if (Store.IsValid(info.Path)) return;
        if (checks && info.ContentAddress is null
            && !info.Signatures.Any(signature => signature.StartsWith(FakeStore.TrustedKey, StringComparison.Ordinal)))
        {
            throw new RefusedException($"cannot add path '{info.Path}' because it lacks a signature by a trusted key");
        }
        foreach (var reference in info.References)
        {
            if (reference != info.Path && !Store.IsValid(reference)) throw new RefusedException($"path '{reference}' is not valid");
        }
        using var nar = new MemoryStream();
        var digest = await NarReader.CopyAsync(body, nar, gone);
        if (Faults.MisreadsNars || digest.Hash != info.NarHash) throw Mismatch();
        if (!FakeStore.HasContentAddress(info, nar.ToArray())) throw new RefusedException($"ca hash mismatch importing path '{info.Path}'");
        if (info.ContentAddress is not null && !info.Path.IsDerivation && !ContentAddress.Gives(info))
        {
            throw new RefusedException($"cannot add path '{info.Path}' to the Nix store because it claims to be content-addressed but "
                + "isn't");
        }
        Store.Add(info, nar.ToArray());
        if (info.Path.IsDerivation) Store.AddOutputsOf(info.Path);

        RefusedException Mismatch() => new($"hash mismatch importing path '{info.Path}'");
    }

    private async Task AddBuildLogAsync()
    {
        var name = await reader.ReadStringAsync(300, gone);
        if (daemon.Trust == DaemonTrust.NotTrusted)
        {
            Fail("you are not privileged to add logs"); // And takes what follows for requests, as Nix's daemon does.
            return;
        }
        var isRefused = await ReadBodyAsync(
            WorkerOperation.AddBuildLog,
            async body =>
            {
                using var log = new MemoryStream();
                await body.CopyToAsync(log, gone);
                Store.BuildLogs[name] = log.ToArray();
            });
        if (!isRefused) writer.WriteUInt64(1);
    }

    /// <summary>Reads a body to its end, whatever becomes of it, and says so; true where it was refused.</summary>
    private async Task<bool> ReadBodyAsync(WorkerOperation operation, Func<Stream, Task> use)
    {
        var body = new FrameReader(reader, FrameBeginsAsync);
        string? refusal = null;
        try
        {
            if (Faults.Body == BodyFault.ErrorAfterTheEnd) throw new RefusedException("no space left on device");
            await use(body);
        }
        catch (Exception e) when (e is RefusedException or NarException)
        {
            refusal = e.Message;
        }
        await body.DrainAsync(gone);
        daemon.CompleteBodies++;
        if (refusal is not null) Fail(refusal);
        else return !Begin(operation);
        return true;
    }

    private async Task FrameBeginsAsync()
    {
        for (var i = 0; i < Faults.LogLinesPerFrame; i++)
        {
            writer.WriteUInt64(Next);
            writer.WriteString($"line {i} of this frame\n");
        }
        await SendAsync();
        if (++frames > 1) return;
        switch (Faults.Body)
        {
            case BodyFault.ErrorInTheMiddle or BodyFault.ErrorWithoutReading or BodyFault.ErrorAndClose:
                Fail("no space left on device");
                await SendAsync();
                if (Faults.Body == BodyFault.ErrorWithoutReading) await Task.Delay(Timeout.Infinite, gone);
                if (Faults.Body == BodyFault.ErrorAndClose) throw new SessionEndedException();
                break;
            case BodyFault.Close:
                throw new SessionEndedException();
        }
    }

    private async Task BuildDerivationAsync()
    {
        var path = await reader.ReadStorePathAsync(gone);
        var derivation = await ReadDerivationAsync();
        await reader.ReadUInt64Async(gone);
        var result = await daemon.Build(new FakeBuild(Store, path, derivation, channel.Server, gone));
        if (Begin(WorkerOperation.BuildDerivation)) WriteResult(result);
    }

    private async Task<BasicDerivation> ReadDerivationAsync()
    {
        var outputs = new Dictionary<string, DerivationOutput>();
        var count = await reader.ReadCountAsync(gone);
        for (var i = 0; i < count; i++)
        {
            outputs[await reader.ReadStringAsync(300, gone)] = new(
                await reader.ReadOptionalStorePathAsync(gone), await reader.ReadStringAsync(300, gone),
                await reader.ReadStringAsync(300, gone));
        }
        return new BasicDerivation
        {
            Outputs = outputs,
            InputPaths = await reader.ReadStorePathsAsync(gone),
            System = await reader.ReadStringAsync(300, gone),
            Builder = await reader.ReadStringAsync(300, gone),
            Arguments = await reader.ReadStringsAsync(1 << 20, gone),
            Environment = await ReadEnvironmentAsync(),
        };
    }

    private async Task<IReadOnlyDictionary<string, string>> ReadEnvironmentAsync()
    {
        var environment = new Dictionary<string, string>();
        var count = await reader.ReadCountAsync(gone);
        for (var i = 0; i < count; i++) environment[await reader.ReadStringAsync(300, gone)] = await reader.ReadStringAsync(1 << 20, gone);
        return environment;
    }

    private async Task BuildPathsAsync()
    {
        var paths = await ReadDerivedPathsAsync();
        await reader.ReadUInt64Async(gone);
        foreach (var path in paths)
        {
            if (await RealiseAsync(path) is { IsSuccess: false } failure)
            {
                Fail(failure.ErrorMessage);
                return;
            }
        }
        if (Begin(WorkerOperation.BuildPaths)) writer.WriteUInt64(1);
    }

    private async Task BuildPathsWithResultsAsync()
    {
        var paths = await ReadDerivedPathsAsync();
        await reader.ReadUInt64Async(gone);
        var results = new List<(DerivedPath, BuildResult)>();
        foreach (var path in paths) results.Add((path, await RealiseAsync(path)));
        if (!Begin(WorkerOperation.BuildPathsWithResults)) return;
        if (Faults.ForgetsResults) results.Clear();
        writer.WriteInt64(results.Count);
        foreach (var (path, result) in results)
        {
            writer.WriteString(path.ToString());
            WriteResult(result);
        }
    }

    private async Task<BuildResult> RealiseAsync(DerivedPath path)
    {
        if (path.Outputs is not null) return await daemon.Build(new FakeBuild(Store, path.Path, null, channel.Server, gone));
        return Store.Substitute(path.Path)
            ? new() { Status = BuildStatus.Substituted }
            : new() { Status = BuildStatus.NoSubstituters, ErrorMessage = $"path '{path}' does not exist and cannot be created" };
    }

    private async Task<IReadOnlyList<DerivedPath>> ReadDerivedPathsAsync()
    {
        var count = await reader.ReadCountAsync(gone);
        var paths = new List<DerivedPath>();
        for (var i = 0; i < count; i++) paths.Add(await DerivedPathLayout.ReadAsync(reader, gone));
        return paths;
    }

    private void WriteResult(BuildResult result)
    {
        writer.WriteUInt64((ulong)result.Status);
        writer.WriteString(result.ErrorMessage);
        writer.WriteInt64(result.TimesBuilt);
        writer.WriteBool(result.IsNonDeterministic);
        writer.WriteInt64(result.StartTime?.ToUnixTimeSeconds() ?? 0);
        writer.WriteInt64(result.StopTime?.ToUnixTimeSeconds() ?? 0);
        if (version.Minor >= 37)
        {
            WriteTime(result.CpuUser);
            WriteTime(result.CpuSystem);
        }
        writer.WriteInt64(result.BuiltOutputs.Count);
        foreach (var (name, path) in result.BuiltOutputs)
        {
            if (version.HasRealisationsByPath)
            {
                writer.WriteString(name);
                writer.WriteStorePath(path);
                writer.WriteStrings(["ruby:c2lnbmF0dXJl"]);
                continue;
            }
            writer.WriteString($"sha256:{new string('0', 64)}!{name}");
            writer.WriteString($$"""{"dependentRealisations":{},"id":"sha256:0!{{name}}","outPath":"{{path.BaseName}}","signatures":[]}""");
        }
    }

    private void WriteTime(TimeSpan? time)
    {
        writer.WriteBool(time is not null);
        if (time is not null) writer.WriteInt64((long)time.Value.TotalMicroseconds);
    }

    private async Task SendAsync()
    {
        var bytes = writer.Written.ToArray();
        writer.Clear();
        held.AddRange(bytes);
        if (requests > 0 && requests < Faults.HoldRepliesUntil) return;
        bytes = [.. held];
        held.Clear();
        await SendRawAsync(bytes);
    }

    private async Task SendRawAsync(ReadOnlyMemory<byte> bytes)
    {
        if (Faults.EndAfter is { } end && sent + bytes.Length >= end)
        {
            await channel.Server.WriteAsync(bytes[..(int)(end - sent)], gone);
            throw new SessionEndedException();
        }
        sent += bytes.Length;
        await channel.Server.WriteAsync(bytes, gone);
    }

    private sealed class RefusedException(string message) : Exception(message);

    private sealed class SessionEndedException : Exception;
}
