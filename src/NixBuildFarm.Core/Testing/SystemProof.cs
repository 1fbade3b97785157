using System.Diagnostics;
using System.Text;
using NixBuildFarm.Builders;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Store.Nar;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Testing;

/// <summary>
/// Proves by a small real build for each that a builder builds for the systems that it is configured with. Leaves two small paths a system
/// in its store, which its garbage collector takes.
/// </summary>
internal static class SystemProof
{
    private const string Name = "nixbuildfarm-proof";

    /// <summary>Builds for each system, one after the other, so that they do not slow each other down.</summary>
    /// <param name="session">The builder.</param>
    /// <param name="limit">The time that each build may take.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task<IReadOnlyList<NixBuilderSystemTest>> RunAsync(
        BuilderSession session, TimeSpan limit, CancellationToken cancellation)
    {
        var own = session.Facts.System ?? session.Builder.Systems[0];
        var tests = new List<NixBuilderSystemTest>();
        double? native = null;
        // Its own system first: the others are measured by it.
        foreach (
            var system in session.Builder.Systems.Where(system => !system.StartsWith("x86_64-v", StringComparison.Ordinal))
                .OrderBy(system => system != own))
        {
            var test = await BuildAsync(session, system, limit, cancellation);
            var isProven = ProofProgram.For(system) is not null;
            if (system == own && test.Success && isProven) native = test.Duration.TotalSeconds;
            tests.Add(new()
            {
                System = system,
                Success = test.Success,
                Duration = test.Duration,
                Error = test.Error,
                IsEmulated = test.Success && session.Facts.System is not null ? !Processors.RunsItself(own, system) : null,
                Speed = test.Success && isProven && native is { } seconds ? seconds / test.Duration.TotalSeconds : null,
            });
        }
        return tests;
    }

    private static async Task<(bool Success, TimeSpan Duration, string? Error)> BuildAsync(
        BuilderSession session, string system, TimeSpan limit, CancellationToken cancellation)
    {
        using var limited = new SilenceWatch(limit, TimeProvider.System, cancellation);
        try
        {
            var output = StorePath.Random(Name);
            var program = ProofProgram.For(system) is { } bytes ? await SendAsync(session, bytes, limited.Token) : null;
            var derivation = new BasicDerivation
            {
                Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(output, "", "") },
                InputPaths = program is null ? [] : [program],
                System = system,
                // Where there is no program of ours, Nix's own check of the system is all that can be had.
                Builder = program?.ToString() ?? "/bin/sh",
                Arguments = program is null ? ["-c", "echo > $out"] : [output.ToString()],
                Environment = new Dictionary<string, string> { ["out"] = output.ToString() },
            };
            var watch = Stopwatch.StartNew();
            var result = await session.UseAsync(
                ChannelUse.Build,
                daemon =>
                    daemon.BuildDerivationAsync(StorePath.Random(Name + ".drv"), derivation, BuildMode.Normal, sink: null, limited.Token),
                limited.Token);
            return (result.IsSuccess, watch.Elapsed, result.IsSuccess ? null : FailureText.InOneLine(result.ErrorMessage));
        }
        catch (DaemonException e)
        {
            return (false, TimeSpan.Zero, FailureText.InOneLine(e.Message));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return (false, limit, $"it took more than {limit.TotalSeconds:0.#} s");
        }
    }

    /// <summary>
    /// Puts the program into the builder's store, under the path that its contents give it (<c>nix-store --add</c> gives the same).
    /// </summary>
    private static async Task<StorePath> SendAsync(BuilderSession session, byte[] program, CancellationToken cancellation)
    {
        using var nar = new MemoryStream();
        var digest = await WriteNarAsync(program, nar, cancellation);
        var path = StorePath.Of("source", digest.Hash, Name);
        var info = new PathInfo
        {
            Path = path,
            NarHash = digest.Hash,
            NarSize = digest.Size,
            ContentAddress = $"fixed:r:sha256:{digest.Hash.ToBase32()}",
        };
        var bytes = nar.ToArray();
        await session.UseAsync(
            ChannelUse.Build,
            daemon => daemon.AddToStoreNarAsync(
                new(info, (stream, token) => stream.WriteAsync(bytes, token).AsTask()), dontCheckSignatures: true, cancellation),
            cancellation);
        return path;
    }

    private static async Task<NarDigest> WriteNarAsync(byte[] program, Stream destination, CancellationToken cancellation)
    {
        using var sink = new NarSink(destination);
        foreach (var word in (string[])["nix-archive-1", "(", "type", "regular", "executable", "", "contents"])
        {
            sink.WriteText(Encoding.ASCII.GetBytes(word));
        }
        sink.WriteText(program);
        sink.WriteText(")"u8);
        return await sink.CompleteAsync(cancellation);
    }
}
