using NixBuildFarm.Builders;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>Asks a builder about its machine, by <see cref="BuilderMachine.Question"/>.</summary>
internal static class MachineQuestion
{
    /// <summary>How long an answer may take once the builder has answered something else.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>Asks a builder. If it does not answer, everything stays unknown.</summary>
    public static async Task<BuilderMachine> AskAsync(IBuilderTransport transport, CancellationToken calledOff) =>
        await ShellAnswer.ReadAsync(transport, ChannelUse.Machine, calledOff) is { } answer ? BuilderMachine.Parse(answer) : new();
}
