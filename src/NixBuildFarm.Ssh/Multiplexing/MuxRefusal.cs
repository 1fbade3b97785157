namespace NixBuildFarm.Ssh.Multiplexing;

/// <summary>Who refuses what.</summary>
internal enum MuxRefusal
{
    /// <summary>The ssh program refuses all channels.</summary>
    ByProgram,

    /// <summary>The server opens no such channel, or no more of them.</summary>
    OfChannel,

    /// <summary>The server has opened the channel, and runs no command in it.</summary>
    OfCommand,
}
