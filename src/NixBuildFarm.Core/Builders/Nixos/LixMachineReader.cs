using NixBuildFarm.Builders.Listing;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>Reads one of <c>lix.buildMachines.machines</c>, whose options are the keys of Lix's list in TOML.</summary>
internal static class LixMachineReader
{
    private const string Enable = "enable";
    private const string Uri = "uri";
    private const string Systems = "system-types";

    // In the order of MachineField.
    private static readonly string[] FieldNames =
        [Uri, Systems, "ssh-key", "jobs", "speed-factor", "supported-features", "mandatory-features", "ssh-public-host-key"];

    private static readonly string[] Options = [.. FieldNames, Enable];

    /// <summary>The entry; null when something is wrong with it.</summary>
    public static MachineEntry? Read(ToldMachine machine, string name)
    {
        machine.Check(Options, "{ uri = \"ssh-ng://nix@ruby\"; system-types = [ \"x86_64-linux\" ]; }");
        if (machine.HasFailed) return null;
        (MachineField Field, string Option, string? Text)[] texts =
        [
            (MachineField.Uri, Uri, machine.Text(Uri, isNeeded: true)),
            (MachineField.Systems, Systems, string.Join(',', machine.Texts(Systems, isNeeded: true))),
            (MachineField.IdentityFile, "ssh-key", machine.Text("ssh-key")),
            (MachineField.MaxJobs, "jobs", machine.Number("jobs")),
            (MachineField.SpeedFactor, "speed-factor", machine.Number("speed-factor")),
            (MachineField.SupportedFeatures, "supported-features", string.Join(',', machine.Texts("supported-features"))),
            (MachineField.MandatoryFeatures, "mandatory-features", string.Join(',', machine.Texts("mandatory-features"))),
            (MachineField.HostKey, "ssh-public-host-key", machine.Text("ssh-public-host-key")),
        ];
        var isEnabled = machine.Flag(Enable) ?? true;
        return machine.HasFailed ? null : machine.ToEntry(FieldNames, texts) with { Name = name, Enabled = isEnabled };
    }
}
