namespace NixBuildFarm.Ssh.Multiplexing;

/// <summary>No channel was opened over an ssh that serves many, since it, or the server, does not want to.</summary>
/// <param name="message">Why, in the words of who refuses.</param>
/// <param name="refusal">Who refuses what.</param>
internal sealed class MuxRefusedException(string message, MuxRefusal refusal) : Exception(message)
{
    /// <summary>Who refuses what.</summary>
    public MuxRefusal Refusal { get; } = refusal;

    /// <summary>Whether the server refuses this one channel; else the ssh program does, and will any other.</summary>
    public bool IsByServer => Refusal != MuxRefusal.ByProgram;
}
