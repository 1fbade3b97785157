using NixBuildFarm.Builders;

namespace NixBuildFarm.Transport;

/// <summary>The scripts for a POSIX shell that channels run in place of Nix.</summary>
public static class ShellScript
{
    /// <summary>The script for a use; null: it needs none.</summary>
    public static string? Of(ChannelUse use) => use switch
    {
        ChannelUse.Machine => BuilderMachine.Question,
        ChannelUse.BuildTimes => BuildTimes.Question,
        ChannelUse.Live => MachineReading.Question,
        ChannelUse.Push => PushScript.Text,
        ChannelUse.Slots => SlotScript.Text,
        ChannelUse.KeptFolder => KeptFolderScript.Text,
        ChannelUse.SlotHolders => SlotHolder.Question,
        _ => null,
    };
}
