using System.Collections.Concurrent;
using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Nar;
using NixBuildFarm.Supplying;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Compiling;

/// <summary>
/// A builder that does compiles for others, over connections of its own: they hold the roots of what the compiles leave behind, and end
/// before
/// that is deleted. What it has once got it keeps for the whole run. Safe for concurrent use.
/// </summary>
internal sealed class CompileHelper : IAsyncDisposable
{
    private readonly Supply supply;
    private readonly FileContents contents;
    private readonly TimeProvider time;
    private readonly DaemonOptions options;
    private readonly ConcurrentStack<Reservation> idle = new();
    private readonly ConcurrentDictionary<StorePath, Task> files = new();
    private readonly ConcurrentDictionary<StorePath, byte> headers = new();
    private int isDisposed;

    /// <summary>Makes a helper of a builder.</summary>
    /// <param name="session">The builder.</param>
    /// <param name="supply">Brings it compilers and headers.</param>
    /// <param name="contents">The files that shims have sent to any helper.</param>
    /// <param name="left">What compiles leave there.</param>
    /// <param name="time">The clock.</param>
    public CompileHelper(BuilderSession session, Supply supply, FileContents contents, LeftPaths left, TimeProvider time)
    {
        (Session, this.supply, this.contents, Left, this.time) = (session, supply, contents, left, time);
        options = session.Options with { BuildCores = 1, UseSubstitutes = false };
    }

    /// <summary>The builder.</summary>
    public BuilderSession Session { get; }

    /// <summary>What compiles leave here.</summary>
    public LeftPaths Left { get; }

    /// <summary>Brings a compiler here.</summary>
    /// <exception cref="NixBuildFarmException">It cannot be brought here, or nothing of ours is built here without it.</exception>
    public async Task PrepareAsync(SharedToolchain toolchain, CancellationToken cancellation)
    {
        if (!Session.Facts.Trusted)
        {
            throw new BuilderException(
                Session.Builder.Name, BuilderFailure.Untrusted, $"{Session} does not trust the login, so it does no compiles for others.");
        }
        await supply.EnsureAsync(Session, toolchain.Inputs, new(TransferPurpose.Prefetch), cancellation);
        Left.Use(toolchain.Programs.Where(program => program.Key == toolchain.Shim));
    }

    /// <summary>Does a compile, or finds that it has been done.</summary>
    /// <param name="compile">The compile.</param>
    /// <param name="fetchAsync">Fetches the contents of files of the unit, given by their indexes, in the same order.</param>
    /// <param name="cancellation">Ends the compile.</param>
    /// <returns>Null: it has to be done at home, by no fault of this helper.</returns>
    /// <exception cref="NixBuildFarmException">The helper has failed.</exception>
    public Task<HelpersResult?> CompileAsync(
        CompileDerivation compile, FileFetcher fetchAsync, CancellationToken cancellation) =>
        UseAsync(daemon => CompileAsync(daemon, compile, fetchAsync, cancellation), cancellation);

    /// <summary>Gives what an earlier compile has left here; null: it is gone.</summary>
    /// <exception cref="NixBuildFarmException">The helper has failed.</exception>
    public Task<HelpersResult?> FindAsync(StorePath output, CancellationToken cancellation) => UseAsync(
        async daemon =>
        {
            await daemon.AddTempRootsAsync([output], cancellation);
            var valid = await daemon.QueryValidPathsAsync([output], substitute: false, cancellation);
            return valid.Count == 0 ? null : await ReadAsync(daemon, output, wasThere: true, cancellation);
        },
        cancellation);

    /// <summary>Closes its connections. A compile that is under way closes its own when it ends.</summary>
    public async ValueTask DisposeAsync()
    {
        Interlocked.Exchange(ref isDisposed, 1);
        while (idle.TryPop(out var connection)) await connection.DisposeAsync();
    }

    private async Task<HelpersResult?> UseAsync(Func<DaemonConnection, Task<HelpersResult?>> workAsync, CancellationToken cancellation)
    {
        if (!idle.TryPop(out var connection))
        {
            connection = Session.Reserve(ChannelUse.Build, cancellation);
            connection.IsClosedAfterwards = true;
        }
        try
        {
            return await connection.UseAsync(workAsync);
        }
        finally
        {
            if (connection.IsBroken || isDisposed != 0) await connection.DisposeAsync();
            else idle.Push(connection);
        }
    }

    private async Task<HelpersResult?> CompileAsync(
        DaemonConnection daemon,
        CompileDerivation compile,
        FileFetcher fetchAsync,
        CancellationToken cancellation)
    {
        var output = compile.Derivation.Output;
        StorePath[] needed = [.. compile.Files.Append(compile.Manifest.Path).Distinct()];
        StorePath[] asked = [output, .. needed.Where(path => !files.ContainsKey(path))];
        await daemon.AddTempRootsAsync(asked, cancellation);
        var valid = await daemon.QueryValidPathsAsync(asked, substitute: false, cancellation);
        if (valid.Contains(output)) return await ReadAsync(daemon, output, wasThere: true, cancellation);

        await SupplyAsync(daemon, compile, needed, valid, fetchAsync, cancellation);
        var foreign = compile.Headers.Where(path => !headers.ContainsKey(path)).ToArray();
        if (foreign.Length > 0) await supply.EnsureAsync(Session, foreign, new(TransferPurpose.Needed), cancellation);
        foreach (var path in foreign) headers.TryAdd(path, 0);

        await daemon.SetOptionsAsync(options, cancellation);
        await Left.ExpectAsync([output]);
        var derivation = compile.Derivation;
        var begun = time.GetTimestamp();
        var result = await daemon.BuildDerivationAsync(derivation.Path, derivation.Basic, BuildMode.Normal, sink: null, cancellation);
        var seconds = time.GetElapsedTime(begun).TotalSeconds;
        if (!result.IsSuccess) throw Failed($"{Session} could not compile for others: {result.ErrorMessage}");
        return await ReadAsync(daemon, output, wasThere: result.Status == BuildStatus.AlreadyValid, cancellation) is { } read
            ? read with { Seconds = read.WasThere ? 0 : seconds }
            : null;
    }

    /// <summary>Sends what is missing. What is on its way here for another compile is waited for.</summary>
    private async Task SupplyAsync(
        DaemonConnection daemon,
        CompileDerivation compile,
        IReadOnlyList<StorePath> needed,
        IReadOnlySet<StorePath> valid,
        FileFetcher fetchAsync,
        CancellationToken cancellation)
    {
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        // Whoever waits for it sees the failure; it may be nobody.
        _ = arrived.Task.ContinueWith(static task => _ = task.Exception, TaskScheduler.Default);
        var mine = new HashSet<StorePath>();
        var others = new List<Task>();
        foreach (var path in needed)
        {
            var coming = files.GetOrAdd(path, valid.Contains(path) ? Task.CompletedTask : arrived.Task);
            if (coming == arrived.Task) mine.Add(path);
            else if (!coming.IsCompleted) others.Add(coming);
        }
        try
        {
            if (mine.Count > 0) await SendAsync(daemon, compile, mine, fetchAsync, cancellation);
            else await fetchAsync([], cancellation);
            arrived.TrySetResult();
        }
        catch (Exception e)
        {
            foreach (var path in mine) files.TryRemove(KeyValuePair.Create(path, arrived.Task));
            arrived.TrySetException(new OddFrameException($"another compile did not bring {Session} a file that both need: {e.Message}"));
            throw;
        }
        await Task.WhenAll(others).WaitAsync(cancellation);
    }

    private async Task SendAsync(
        DaemonConnection daemon,
        CompileDerivation compile,
        HashSet<StorePath> mine,
        FileFetcher fetchAsync,
        CancellationToken cancellation)
    {
        var ready = new Dictionary<StorePath, StoreFile>();
        if (mine.Contains(compile.Manifest.Path)) ready.Add(compile.Manifest.Path, compile.Manifest);
        var missing = new Dictionary<StorePath, int>();
        for (var i = 0; i < compile.Files.Count; i++)
        {
            var path = compile.Files[i];
            if (!mine.Contains(path)) continue;
            if (contents.Find(path) is { } kept) ready.TryAdd(path, UnitFile.Holding(kept));
            else missing.TryAdd(path, i);
        }
        var fetched = await fetchAsync([.. missing.Values], cancellation);
        foreach (var ((path, _), content) in missing.Zip(fetched))
        {
            contents.Add(path, content);
            ready.TryAdd(path, UnitFile.Holding(content));
        }
        await Left.ExpectAsync(ready.Keys);
        await supply.PayAsync(Session, ready.Values.Sum(file => (long)file.Info.NarSize), cancellation);
        await daemon.AddMultipleToStoreAsync([.. ready.Values.Select(file => file.Source)], _ => true, cancellation);
    }

    private async Task<HelpersResult?> ReadAsync(DaemonConnection daemon, StorePath output, bool wasThere, CancellationToken cancellation)
    {
        try
        {
            var tree = await StoreTree.ReadAsync(daemon, output, CompileResult.Limit, cancellation);
            if (CompileResult.Of(tree) is not { } result) return null;
            Left.Add(output, Math.Max(1, result.Output.Length));
            return new(result, this, wasThere);
        }
        catch (Exception e) when (e is OddFrameException or NarException)
        {
            throw Failed($"{Session} gave what is no result of a compile: {e.Message}");
        }
    }

    private BuilderException Failed(string message) => new(Session.Builder.Name, BuilderFailure.FalseResult, message);
}

/// <summary>Fetches the contents of files of a unit, given by their indexes, in the same order.</summary>
internal delegate Task<IReadOnlyList<ReadOnlyMemory<byte>>> FileFetcher(IReadOnlyList<int> files, CancellationToken cancellation);

/// <summary>A result, who gave it, and whether an earlier compile had left it there.</summary>
internal sealed record HelpersResult(CompileResult Result, CompileHelper From, bool WasThere)
{
    /// <summary>How long the compile itself took there, without what leads to it; 0 where an earlier one had left it.</summary>
    public double Seconds { get; init; }
}
