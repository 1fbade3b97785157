using NixBuildFarm.Builders.Listing;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>
/// Reads one element of <c>nix.buildMachines</c>, with the options of NixOS (nixos/modules/config/nix-remote-build.nix in nixpkgs), and
/// gives the entry that NixOS writes to <c>/etc/nix/machines</c>.
/// </summary>
internal static class BuildMachineReader
{
    private const string HostName = "hostName";
    private static readonly string[] FieldNames =
    [
        HostName, "systems", "sshKey", "maxJobs", "speedFactor", "supportedFeatures", "mandatoryFeatures", "publicHostKey",
    ];
    private static readonly string[] Options = [.. FieldNames, "protocol", "system", "sshUser"];

    /// <summary>The entry; null when something is wrong with it.</summary>
    public static MachineEntry? Read(ToldMachine machine)
    {
        machine.Check(Options, "{ hostName = \"ruby\"; systems = [ \"x86_64-linux\" ]; }");
        if (machine.HasFailed) return null;
        var host = machine.Text(HostName, isNeeded: true);
        var protocol = machine.Has("protocol") ? machine.Text("protocol") : "ssh";
        var user = machine.Text("sshUser");
        var systems = machine.Text("system", isNeeded: true) is { } one ? [one] : machine.Texts("systems", isNeeded: true);
        var mandatory = machine.Texts("mandatoryFeatures");
        (MachineField Field, string Option, string? Text)[] texts =
        [
            (MachineField.Uri, HostName, string.Concat(protocol is null ? "" : protocol + "://", user is null ? "" : user + "@", host)),
            (MachineField.Systems, machine.Has("system") ? "system" : "systems", string.Join(',', systems)),
            (MachineField.IdentityFile, "sshKey", machine.Text("sshKey")),
            (MachineField.MaxJobs, "maxJobs", machine.Number("maxJobs")),
            (MachineField.SpeedFactor, "speedFactor", machine.Number("speedFactor")),
            (MachineField.SupportedFeatures, "supportedFeatures", string.Join(',', machine.Texts("supportedFeatures").Union(mandatory))),
            (MachineField.MandatoryFeatures, "mandatoryFeatures", string.Join(',', mandatory)),
            (MachineField.HostKey, "publicHostKey", machine.Text("publicHostKey")),
        ];
        if (!machine.HasFailed && string.IsNullOrEmpty(host))
        {
            machine.Fail(HostName, "MissingHostName", "there is no host name", "Write hostName = \"ruby\";");
        }
        if (!machine.HasFailed && systems.Count == 0)
        {
            machine.Fail("systems", "MissingSystems", "no system is named", "NixOS wants it too: systems = [ \"x86_64-linux\" ];");
        }
        return machine.HasFailed ? null : machine.ToEntry(FieldNames, texts) with { IsHostKeyEncoded = true };
    }
}
