using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Channels;

namespace NixBuildFarm.Ssh.Multiplexing;

/// <summary>What is at the other end of a channel.</summary>
internal sealed record MuxPeer
{
    /// <summary>The command line; null: it is a socket.</summary>
    public string? Command { get; init; }

    /// <summary>The socket's path; null: it is a command.</summary>
    public string? SocketPath { get; init; }

    /// <summary>The errors of the builder.</summary>
    public required SshErrors Errors { get; init; }

    /// <summary>Why the ssh program has ended, in its words; empty: it does not tell.</summary>
    public required Func<string> LastWords { get; init; }

    /// <summary>The error of a channel whose connection is gone.</summary>
    public BuilderException Lost(Exception? cause = null) => Errors.ProgramLost(LastWords(), cause);
}
