using NixBuildFarm.Errors;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Protocol;

// Requests that build or fetch paths. Cancelling stops the build.
internal sealed partial class DaemonConnection
{
    /// <summary>Fetches a path from a substituter unless it is valid.</summary>
    /// <param name="path">The path.</param>
    /// <param name="cancellation">Closes the connection.</param>
    /// <param name="sink">Takes what the daemon says meanwhile.</param>
    /// <exception cref="DaemonException">No substituter has it.</exception>
    public Task EnsurePathAsync(StorePath path, CancellationToken cancellation, Action<DaemonMessage>? sink = null) =>
        RequestAsync(new EnsurePathRequest(path), sink, cancellation);

    /// <summary>Builds one derivation, whose inputs must be valid there, and which need not be in the store itself.</summary>
    /// <param name="path">The derivation's path.</param>
    /// <param name="derivation">The derivation, its inputs given as plain paths.</param>
    /// <param name="mode">What to do with outputs that are valid.</param>
    /// <param name="sink">Takes log lines, phases and activities as they come.</param>
    /// <param name="cancellation">Ends the build and closes the connection.</param>
    /// <returns>The result; a failed build is a result, not an error.</returns>
    /// <exception cref="DaemonException">The daemon refuses, e.g. because it does not trust us.</exception>
    public Task<BuildResult> BuildDerivationAsync(
        StorePath path, BasicDerivation derivation, BuildMode mode, Action<DaemonMessage>? sink, CancellationToken cancellation) =>
        RequestAsync(new BuildDerivationRequest(path, derivation, mode), sink, cancellation);

    /// <summary>
    /// The same with settings before it and questions after it, in one round trip: over a distant connection each further one would keep a
    /// slot of the builder idle.
    /// </summary>
    /// <param name="path">The derivation's path.</param>
    /// <param name="derivation">The derivation, its inputs given as plain paths.</param>
    /// <param name="settings">For the rest of this connection, as for <see cref="SetOptionsAsync"/>.</param>
    /// <param name="outputs">Paths to be described after the build.</param>
    /// <param name="sink">Takes log lines, phases and activities as they come.</param>
    /// <param name="cancellation">Ends the build and closes the connection.</param>
    /// <param name="ended">Is called when the build has ended, and only the description of its outputs is to come.</param>
    /// <returns>The result, and which of the paths are valid then.</returns>
    /// <exception cref="DaemonException">The daemon refuses, e.g. because it does not trust us.</exception>
    public Task<(BuildResult Result, IReadOnlyDictionary<StorePath, PathInfo> Outputs)> BuildDerivationAsync(
        StorePath path,
        BasicDerivation derivation,
        DaemonOptions settings,
        IReadOnlyCollection<StorePath> outputs,
        Action<DaemonMessage>? sink,
        CancellationToken cancellation,
        Action? ended = null) =>
        ExclusiveAsync(
            async token =>
            {
                var setting = settings == given ? null : new SetOptionsRequest(settings);
                var build = new BuildDerivationRequest(path, derivation, BuildMode.Normal);
                QueryPathInfoRequest[] questions = [.. outputs.Select(output => new QueryPathInfoRequest(output))];
                if (setting is not null) Put(setting);
                Put(build);
                foreach (var question in questions) Put(question);
                await FlushAsync(token);

                // All replies are read even where one is a refusal: the next request must not take them for its own.
                DaemonException? refusal = null;
                if (setting is not null) await ReadAsync(setting, sink: null);
                if (refusal is null) given = settings;
                var result = await ReadAsync(build, sink);
                ended?.Invoke();
                var infos = new Dictionary<StorePath, PathInfo>();
                foreach (var question in questions)
                {
                    if (await ReadAsync(question, sink: null) is { } info) infos.Add(info.Path, info);
                }
                return refusal is null ? (result!, (IReadOnlyDictionary<StorePath, PathInfo>)infos) : throw refusal;

                async Task<TReply?> ReadAsync<TReply>(IRequest<TReply> request, Action<DaemonMessage>? sink)
                {
                    try
                    {
                        return await ReceiveAsync(request, sink, token);
                    }
                    catch (DaemonException e) when (e.Connection == this)
                    {
                        refusal ??= e;
                        return default;
                    }
                    catch (BuilderException) when (refusal is not null)
                    {
                        // A daemon that could not read a request hangs up once it has said so.
                        return default;
                    }
                }
            },
            cancellation);

    /// <summary>Brings paths into being: builds derivations that are in the store, with all that they need, or substitutes.</summary>
    /// <param name="paths">The wanted paths.</param>
    /// <param name="mode">What to do with outputs that are valid.</param>
    /// <param name="sink">Takes log lines, phases and activities as they come.</param>
    /// <param name="cancellation">Ends the builds and closes the connection.</param>
    /// <returns>
    /// The result of each. A daemon before protocol 1.34 gives no results: paths that are valid afterwards count as
    /// <see cref="BuildStatus.Built"/>, the others as <see cref="BuildStatus.MiscFailure"/>, each with the daemon's one message.
    /// </returns>
    public Task<IReadOnlyList<KeyedBuildResult>> BuildPathsWithResultsAsync(
        IReadOnlyCollection<DerivedPath> paths, BuildMode mode, Action<DaemonMessage>? sink, CancellationToken cancellation) =>
        Version >= BuildPathsWithResultsRequest.Since
            ? RequestAsync(new BuildPathsWithResultsRequest(paths, mode), sink, cancellation)
            : BuildPathsAsync(paths, mode, sink, cancellation);

    private async Task<IReadOnlyList<KeyedBuildResult>> BuildPathsAsync(
        IReadOnlyCollection<DerivedPath> paths, BuildMode mode, Action<DaemonMessage>? sink, CancellationToken cancellation)
    {
        DaemonException? failed = null;
        try
        {
            await RequestAsync(new BuildPathsRequest(paths, mode), sink, cancellation);
        }
        catch (DaemonException e) when (!IsBroken)
        {
            failed = e;
        }
        var results = new List<KeyedBuildResult>();
        foreach (var path in paths) results.Add(new(path, await FindResultAsync(path, failed, cancellation)));
        return results;
    }

    private async Task<BuildResult> FindResultAsync(DerivedPath path, DaemonException? failed, CancellationToken cancellation)
    {
        var outputs = await FindOutputsAsync(path, cancellation);
        var known = outputs.Values.OfType<StorePath>().ToHashSet();
        var isComplete = outputs.Count > 0 && known.Count > 0 && outputs.Values.All(output => output is not null)
            && (failed is null || (await QueryValidPathsAsync(known, substitute: false, cancellation)).Count == known.Count);
        if (!isComplete)
        {
            return new() { Status = BuildStatus.MiscFailure, ErrorMessage = failed?.Text ?? $"The daemon does not say where {path} is." };
        }
        return new()
        {
            Status = BuildStatus.Built,
            BuiltOutputs = path.Outputs is null ? new Dictionary<string, StorePath>() : outputs.ToDictionary(o => o.Key, o => o.Value!),
        };
    }

    private async Task<IReadOnlyDictionary<string, StorePath?>> FindOutputsAsync(DerivedPath path, CancellationToken cancellation)
    {
        if (path.Outputs is not { } wanted) return new Dictionary<string, StorePath?> { [""] = path.Path };
        try
        {
            var outputs = await QueryDerivationOutputMapAsync(path.Path, cancellation);
            return wanted.Count == 0 ? outputs : wanted.ToDictionary(name => name, name => outputs.GetValueOrDefault(name));
        }
        catch (DaemonException) when (!IsBroken)
        {
            return new Dictionary<string, StorePath?>(); // The derivation is not in the store.
        }
    }
}
