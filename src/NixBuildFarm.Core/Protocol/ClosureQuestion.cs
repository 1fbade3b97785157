using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol;

/// <summary>
/// Asks <c>nix-store --serve</c> for a whole closure in one round trip. The worker protocol has no such question: there, each level of
/// references costs one. [src/libstore/include/nix/store/serve-protocol.hh of NixOS/nix]
/// </summary>
internal static class ClosureQuestion
{
    /// <summary>The client's first bytes.</summary>
    public const ulong ClientMagic = 0x390c9deb;

    /// <summary>The program's first bytes.</summary>
    public const ulong ServerMagic = 0x5452eecb;

    /// <summary>The number of the question.</summary>
    public const ulong QueryClosure = 7;

    // It has been there from 2.1 on; nothing that came later matters here.
    private static readonly ProtocolVersion Version = new(2, 7);

    /// <summary>Asks the program; its answer may be anything.</summary>
    /// <param name="stream">To the program and from it.</param>
    /// <param name="roots">Where the closure begins; those that are not valid are an error.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The roots and all that they refer to, if the program is to be believed.</returns>
    /// <exception cref="WireException">Another program answers, or none.</exception>
    /// <exception cref="IOException">The stream is broken.</exception>
    public static async Task<IReadOnlySet<StorePath>> AskAsync(
        Stream stream, IReadOnlyCollection<StorePath> roots, CancellationToken cancellation)
    {
        var question = new WireWriter();
        question.WriteUInt64(ClientMagic);
        question.WriteUInt64(Version.ToWire());
        question.WriteUInt64(QueryClosure);
        question.WriteBool(false); // outputs of derivations are not wanted
        question.WriteStorePaths(roots);
        await stream.WriteAsync(question.Written, cancellation);
        await stream.FlushAsync(cancellation);

        var reader = new WireReader(stream);
        if (await reader.ReadUInt64Async(cancellation) != ServerMagic) throw new WireException("It is not nix-store that answers.");
        await reader.ReadUInt64Async(cancellation);
        return await reader.ReadStorePathSetAsync(cancellation);
    }
}
