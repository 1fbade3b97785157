using System.Buffers.Binary;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Text;

namespace NixBuildFarm.Protocol;

// The handshake, and errors for peers that greet otherwise.
internal sealed partial class DaemonConnection
{
    // The length of a foreign greeting in an error.
    private const int StrayLimit = 4 << 10;

    // How long to wait for more of it.
    private static readonly TimeSpan StrayPatience = TimeSpan.FromSeconds(1);

    private async Task<Done> GreetAsync(CancellationToken cancellation)
    {
        using var watch = new SilenceWatch(options.HandshakeTimeout, options.Time, cancellation);
        try
        {
            await AgreeOnVersionAsync(watch.Token);
            await IntroduceAsync(watch.Token);
            return default;
        }
        catch (OperationCanceledException) when (watch.HasRunOut && !cancellation.IsCancellationRequested)
        {
            throw Fault(
                BuilderFailure.Unreachable,
                $"The Nix daemon of {options.Builder} did not greet within {options.HandshakeTimeout.TotalSeconds:0.#} seconds.",
                recommendation: "See whether the machine is overloaded, and what its shell start-up files do.");
        }
    }

    private async Task AgreeOnVersionAsync(CancellationToken cancellation)
    {
        writer.WriteUInt64(WireFormat.ClientMagic);
        writer.WriteUInt64(options.NewestVersion.ToWire());
        try
        {
            await FlushAsync(cancellation);
        }
        catch (BuilderException) when (wire.IsLost)
        {
            // It has ended already. Its earlier output, if any, explains more.
        }
        await ReadMagicAsync(cancellation);
        var theirs = ProtocolVersion.FromWire(await reader.ReadUInt64Async(cancellation));
        if (theirs.Major != ProtocolVersion.Oldest.Major || theirs < ProtocolVersion.Oldest)
        {
            throw Fault(
                BuilderFailure.Incompatible,
                $"The Nix daemon of {options.Builder} speaks version {theirs} of the worker protocol; "
                    + $"{ProtocolVersion.Oldest} to {ProtocolVersion.Newest} are understood.",
                recommendation: "Upgrade Nix there to 2.4 or later.");
        }
        Version = theirs < options.NewestVersion ? theirs : options.NewestVersion;
    }

    private async Task IntroduceAsync(CancellationToken cancellation)
    {
        if (Version >= ProtocolVersion.WithFeatures) writer.WriteStrings(options.NewestVersion.Features);
        writer.WriteUInt64(0); // Processor affinity: no daemon reads it any more.
        writer.WriteUInt64(0); // Reserve space: no daemon reads it any more.
        var setting = options.Settings is null ? null : new SetOptionsRequest(options.Settings);
        if (setting is not null) Put(setting);
        await FlushAsync(cancellation);
        if (Version >= ProtocolVersion.WithFeatures)
        {
            Version = options.NewestVersion.SharedWith(await reader.ReadStringsAsync(WireLimits.Name, cancellation));
        }
        if (Version >= ProtocolVersion.WithNixVersion) NixVersion = await reader.ReadStringAsync(WireLimits.Name, cancellation);
        if (Version >= ProtocolVersion.WithTrust) Trust = await ReadTrustAsync(cancellation);
        await ReadStderrAsync(options.Sink, cancellation);
        if (setting is null) return;
        await ReceiveAsync(setting, options.Sink, cancellation);
        given = options.Settings;
    }

    private async Task<DaemonTrust> ReadTrustAsync(CancellationToken cancellation) => await reader.ReadUInt64Async(cancellation) switch
    {
        0 => DaemonTrust.Unknown,
        1 => DaemonTrust.Trusted,
        2 => DaemonTrust.NotTrusted,
        var value => throw new WireException($"{value} says neither that we are trusted nor that we are not."),
    };

    private async Task ReadMagicAsync(CancellationToken cancellation)
    {
        var greeting = new byte[StrayLimit];
        var length = 0;
        try
        {
            await ReadWhileAsync(() => length < sizeof(ulong), cancellation);
            if (length == 0) throw NothingSaid();
            if (length == sizeof(ulong) && IndexOfMagic(greeting) == 0) return;
            // Something else: take the rest of it, up to where Nix's greeting begins, as far as it comes without delay.
            using var patience = new CancellationTokenSource(StrayPatience, options.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, patience.Token);
            await ReadWhileAsync(() => IndexOfMagic(greeting.AsSpan(0, length)) < 0, either.Token);
        }
        catch (OperationCanceledException) when (length > 0)
        {
            // That is all there is.
        }
        throw StrayGreeting(greeting.AsSpan(0, length));

        async Task ReadWhileAsync(Func<bool> wantsMore, CancellationToken token)
        {
            while (length < greeting.Length && wantsMore())
            {
                var end = length < sizeof(ulong) ? sizeof(ulong) : greeting.Length;
                var count = await reader.ReadRawAsync(greeting.AsMemory(length..end), token);
                if (count == 0) return;
                length += count;
            }
        }
    }

    private BuilderException NothingSaid() => Fault(
        BuilderFailure.NoNix,
        $"The Nix daemon of {options.Builder} ended before it said anything.",
        recommendation: "Nix must be in the PATH of a non-interactive login there, and the user one of the daemon's allowed-users.");

    private BuilderException StrayGreeting(ReadOnlySpan<byte> greeting)
    {
        var magic = IndexOfMagic(greeting);
        var stray = TerminalText.Strip(NixText.GetString(magic < 0 ? greeting : greeting[..magic])).Trim();
        return Fault(
            BuilderFailure.Incompatible,
            $"{options.Builder} sent this where its Nix daemon should have greeted: “{stray}”.",
            recommendation: "Let the shell's start-up files there print nothing when the login is not interactive, "
                + "and see that nix-daemon is what is run.");
    }

    private static int IndexOfMagic(ReadOnlySpan<byte> bytes)
    {
        Span<byte> magic = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(magic, WireFormat.DaemonMagic);
        return bytes.IndexOf(magic);
    }
}
