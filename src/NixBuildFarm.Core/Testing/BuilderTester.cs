using System.Diagnostics;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Testing;

/// <summary>Tests a builder: its connection, and its answers against its configuration.</summary>
public static class BuilderTester
{
    /// <summary>With less room than this, the next large package fails.</summary>
    private const long LeastStoreFree = 1L << 30;

    /// <summary>Tests one builder. Faults are the result, never an exception.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="transport">How to reach it; stays open.</param>
    /// <param name="limit">The time that the questions may take, and then each of the builds.</param>
    /// <param name="build">Whether to build something small for each of its systems.</param>
    /// <param name="cancellation">Ends the test with an <see cref="OperationCanceledException"/>.</param>
    public static async Task<NixBuilderTest> TestAsync(
        NixBuilder builder, IBuilderTransport transport, TimeSpan limit, bool build, CancellationToken cancellation)
    {
        // The limit counts from the moment when the login has its turn.
        using var limited = new SilenceWatch(limit, TimeProvider.System, cancellation);
        try
        {
            await using var session = await BuilderSession.OpenAsync(builder, transport, new DaemonOptions(), cancellation, limit: limit);
            limited.Resume();
            var question = Stopwatch.StartNew();
            await session.PingAsync(limited.Token);
            var latency = question.Elapsed;
            if (!build || !session.Facts.Trusted) return Judge(session.Builder, session.Facts, latency, []);
            return Judge(session.Builder, session.Facts, latency, await SystemProof.RunAsync(session, limit, cancellation));
        }
        catch (BuilderException e)
        {
            return Failed(builder, StateOf(e.Failure), e.Message, e.Recommendation);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return Failed(
                builder,
                NixBuilderState.Unreachable,
                $"{builder.Name} gave no answer within {limit.TotalSeconds:0.#} s.",
                "Check that the machine is up and can be reached. -TimeoutSec waits longer.");
        }
    }

    /// <summary>Compares a builder's answers with its configuration.</summary>
    internal static NixBuilderTest Judge(
        NixBuilder builder, BuilderFacts facts, TimeSpan latency, IReadOnlyList<NixBuilderSystemTest> builds)
    {
        var findings = new List<NixBuilderFinding>();
        if (!facts.Trusted)
        {
            findings.Add(builder.IsLocal
                ? new(
                    "The local Nix daemon does not trust this user.",
                    "Add the user to trusted-users in /etc/nix/nix.conf and restart the daemon, or use builders that sign with a key of "
                        + "the local trusted-public-keys.")
                : new(
                    $"{builder.Name} does not trust the login.",
                    $"Add the login to trusted-users in /etc/nix/nix.conf of {builder.Name}; a trusted user has nearly the rights of root "
                        + "there."));
        }
        var missing = builder.SupportedFeatures.Concat(builder.MandatoryFeatures)
            .Except(facts.Features ?? builder.SupportedFeatures)
            .ToArray();
        if (facts.Features is not null && missing.Length > 0)
        {
            findings.Add(new(
                $"{builder.Name} is configured with {string.Join(", ", missing)}, but has only {string.Join(", ", facts.Features)}.",
                $"Add them to system-features in nix.conf of {builder.Name}, or take them out of the machines list."));
        }
        if (facts.System is { } own && builder.Systems.Count > 0 && !builder.Systems.Contains(own))
        {
            findings.Add(new(
                $"{builder.Name} is configured for {string.Join(", ", builder.Systems)}, but is a {own}.",
                $"Correct the systems of {builder.Name} in {builder.Source}, or set extra-platforms there where it emulates them."));
        }
        foreach (var failed in builds.Where(test => !test.Success))
        {
            findings.Add(new(
                $"{builder.Name} is configured for {failed.System}, but does not build for it: {failed.Error}",
                failed.System == facts.System
                    ? $"Look at Nix's log on {builder.Name}."
                    : $"Have {builder.Name} emulate it (qemu-user in binfmt_misc, and extra-platforms in its nix.conf; on NixOS "
                        + $"boot.binfmt.emulatedSystems), or take it out of {builder.Source}."));
        }
        if (facts.Machine.StoreFree is < LeastStoreFree and var free)
        {
            findings.Add(
                new(
                    $"{builder.Name} has only {free >> 20} MiB free for its store.",
                    $"Run nix-collect-garbage there, or set min-free in its nix.conf."));
        }
        return new()
        {
            Builder = builder,
            State = !facts.Trusted ? NixBuilderState.Untrusted : findings.Count > 0 ? NixBuilderState.Degraded : NixBuilderState.Online,
            Latency = latency,
            NixVersion = facts.NixVersion,
            Protocol = facts.Protocol,
            Trusted = facts.Trusted,
            System = facts.System,
            Features = facts.Features ?? [],
            Cores = facts.Machine.Cores ?? builder.Cores,
            Memory = facts.Machine.Memory,
            Load = facts.Machine.Load,
            StoreFree = facts.Machine.StoreFree,
            Builds = builds,
            Findings = findings,
        };
    }

    private static NixBuilderTest Failed(NixBuilder builder, NixBuilderState state, string message, string? recommendation) =>
        new() { Builder = builder, State = state, Findings = [new(message, recommendation)] };

    private static NixBuilderState StateOf(BuilderFailure failure) => failure switch
    {
        BuilderFailure.AuthenticationFailed => NixBuilderState.AuthenticationFailed,
        BuilderFailure.HostKeyMismatch => NixBuilderState.HostKeyMismatch,
        BuilderFailure.NoNix => NixBuilderState.NoNix,
        BuilderFailure.Incompatible => NixBuilderState.Incompatible,
        _ => NixBuilderState.Unreachable,
    };
}
