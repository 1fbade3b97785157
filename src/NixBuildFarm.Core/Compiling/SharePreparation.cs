using System.Collections.Concurrent;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Supplying;
using NixBuildFarm.Transport;
using NixBuildFarm.Work;

namespace NixBuildFarm.Compiling;

/// <summary>All that a build needs so that its compiles can be done elsewhere.</summary>
/// <param name="Toolchain">The compiler.</param>
/// <param name="Broker">The way to its shims; whoever takes this disposes of it.</param>
/// <param name="Closure">What the build may read.</param>
/// <param name="Mappings">What it sees besides its inputs: the value of <see cref="SandboxMappings.Setting"/>.</param>
internal sealed record PreparedShare(SharedToolchain Toolchain, BrokerChannel Broker, IReadOnlySet<StorePath> Closure, string Mappings);

/// <summary>
/// Prepares a builder for a build whose compiles may be done elsewhere: finds a compiler among the inputs of the build, has it build the
/// shim,
/// and starts the broker. Whatever does not go as it should costs the sharing, never the build. Safe for concurrent use.
/// </summary>
/// <param name="catalog">Knows who has what.</param>
/// <param name="supply">Says what may leave this machine.</param>
/// <param name="say">Takes what the user may want to know.</param>
internal sealed class SharePreparation(PathCatalog catalog, Supply supply, Action<string> say)
{
    /// <summary>A build has one compiler as a rule; of several, these are tried.</summary>
    private const int CandidatesTried = 3;

    private const long LargestShadow = 16 << 20;

    /// <summary>How long it may take to build the shim.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly ConcurrentDictionary<(string Builder, string System, CompilerCandidate Candidate), SharedToolchain?> known = new();

    /// <summary>Whether a build has a compiler among its inputs that could be shared.</summary>
    public bool HasCompiler(WorkItem job) => CompilerCandidate.Among(catalog.ClosureOf(job.Inputs)).Count > 0;

    /// <summary>Prepares a build whose inputs are at its builder.</summary>
    /// <param name="at">The builder.</param>
    /// <param name="job">What is built.</param>
    /// <param name="cancellation">The build is called off.</param>
    /// <returns>Null: it is built as any other, and the user has been told why.</returns>
    public async Task<PreparedShare?> PrepareAsync(BuilderSession at, WorkItem job, CancellationToken cancellation)
    {
        if (!at.Facts.Trusted)
        {
            say($"The compiles of {job.Name} are not shared: {at} does not trust the login, and would not let the build see the broker.");
            return null;
        }
        var closure = catalog.ClosureOf(job.Inputs);
        var paths = closure.Select(info => info.Path).ToHashSet();
        var direct = job.Inputs.ToHashSet();
        var candidates = CompilerCandidate.Among(closure)
            .OrderByDescending(candidate => direct.Contains(candidate.Wrapper)).Take(CandidatesTried).ToArray();
        if (candidates.Length == 0) say($"{job.Name} has no gcc among its inputs, so its compiles are not shared.");
        foreach (var candidate in candidates)
        {
            if (await ToolchainAsync(at, candidate, job.Derivation.System, paths, cancellation) is not { } toolchain) continue;
            return await TryAsync($"The compiles of {job.Name} are not shared", OpenAsync, cancellation);

            async Task<PreparedShare> OpenAsync()
            {
                var broker = await BrokerChannel.OpenAsync(
                    at, toolchain.Shim, (bytes, token) => supply.PayAsync(at, bytes, token), cancellation);
                try
                {
                    return new(toolchain, broker, paths, SandboxMappings.Of(toolchain.Folder, broker.Folder));
                }
                catch
                {
                    await broker.DisposeAsync();
                    throw;
                }
            }
        }
        return null;
    }

    private async Task<SharedToolchain?> ToolchainAsync(
        BuilderSession at, CompilerCandidate candidate, string system, IReadOnlySet<StorePath> closure, CancellationToken cancellation)
    {
        var key = (at.Builder.Name, system, candidate);
        if (known.TryGetValue(key, out var before)) return before;
        var toolchain = await TryAsync(
            $"What {candidate.Compiler.Name} compiles on {at} is not shared",
            () => BuildAsync(at, candidate, system, closure, cancellation),
            cancellation);
        return known.GetOrAdd(key, toolchain);
    }

    private async Task<T?> TryAsync<T>(string what, Func<Task<T>> workAsync, CancellationToken cancellation)
        where T : class
    {
        try
        {
            return await workAsync();
        }
        catch (Exception e) when (e is NixBuildFarmException or OddFrameException or IOException or NotSupportedException
            || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            say($"{what}: {e.Message}");
            return null;
        }
    }

    private async Task<SharedToolchain> BuildAsync(
        BuilderSession at, CompilerCandidate candidate, string system, IReadOnlySet<StorePath> closure, CancellationToken cancellation)
    {
        using var limited = new SilenceWatch(Patience, TimeProvider.System, cancellation);
        var shim = ShimDerivations.Build(candidate, system);
        var shadow = ShimDerivations.Shadow(candidate, shim.Output, system);
        // What the session protects lasts as long as it: the shim is needed by every shared build of the run.
        await at.ProtectAsync([ShimDerivations.Source.Path, shim.Output, shadow.Output], limited.Token);
        var (infos, tree) = await at.UseAsync(
            ChannelUse.Build,
            async daemon =>
            {
                await daemon.SetOptionsAsync(at.Options, limited.Token);
                if ((await daemon.QueryValidPathsAsync([shim.Output, shadow.Output], substitute: false, limited.Token)).Count < 2)
                {
                    await daemon.AddToStoreNarAsync(ShimDerivations.Source.Source, dontCheckSignatures: true, limited.Token);
                    await BuildAsync(daemon, shim, limited.Token);
                    await BuildAsync(daemon, shadow, limited.Token);
                }
                var tree = await StoreTree.ReadAsync(daemon, shadow.Output, LargestShadow, limited.Token);
                return (new[]
                {
                    await daemon.QueryPathInfoAsync(shim.Output, limited.Token),
                    await daemon.QueryPathInfoAsync(shadow.Output, limited.Token),
                }, tree);
            },
            limited.Token);
        if (infos is not [{ } info, { } shadowInfo]
            || info.References.FirstOrDefault(path => path != shim.Output && !closure.Contains(path)) is not null)
        {
            throw new OddFrameException($"{at} says that the shim refers to what is no input of the build");
        }
        var folder = CompilerFolder.Verified(candidate.Compiler, shadow.Output, tree);
        // The shim is an output of this builder as others are, and goes on to those that help.
        catalog.Add(info, at, isVouchedFor: true);
        return new(system, shim.Output, shadow.Output, folder)
        {
            Programs = new[] { ShimDerivations.Source.Info, info, shadowInfo }.ToDictionary(made => made.Path, made => (long)made.NarSize),
        };
    }

    private static async Task BuildAsync(DaemonConnection daemon, PlainDerivation derivation, CancellationToken cancellation)
    {
        var result = await daemon.BuildDerivationAsync(derivation.Path, derivation.Basic, BuildMode.Normal, sink: null, cancellation);
        if (!result.IsSuccess) throw new OddFrameException($"{derivation.Path.Name} was not built: {result.ErrorMessage}");
    }
}
