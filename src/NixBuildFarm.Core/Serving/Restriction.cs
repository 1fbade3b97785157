using static NixBuildFarm.Serving.Layouts;

namespace NixBuildFarm.Serving;

/// <summary>
/// What a client whom the front's user does not trust may not ask of the local daemon, which trusts the front. It is what Nix's own daemon
/// denies such users. [src/libstore/daemon.cc of NixOS/nix]
/// </summary>
/// <param name="Request">How the request is passed on: without what is denied.</param>
/// <param name="Refusal">Why it is refused; null: it is passed on.</param>
internal sealed record Restriction(Layout Request, string? Refusal)
{
    /// <summary>Why nothing is repaired.</summary>
    public const string Repair = "repairing is not allowed because you are not a trusted user of this farm";

    /// <summary>Why a derivation is to be in the store, or to have outputs that can be checked.</summary>
    public const string InputAddressed = "you are not privileged to build input-addressed derivations that are not in the store";

    private static readonly Dictionary<ulong, Restriction> All = new()
    {
        [7] = Without(Sequence(OneText, OneText, Texts, Denied, Frames)),
        [35] = Without(Sequence(Number, Denied)),
        [37] = Refused("you are not privileged to add signatures"),
        [39] = Without(Sequence(OneText, PathInfoFromElsewhere, Denied, Denied, Frames)),
        [42] = Refused("you are not privileged to register outputs of derivations"),
        [44] = Without(Sequence(Denied, Denied, Frames)),
        [45] = Refused("you are not privileged to add logs"),
        [47] = Refused("you are not privileged to create perm roots"),
    };

    /// <summary>The restriction of an operation; null: it has none.</summary>
    public static Restriction? Of(ulong number) => All.GetValueOrDefault(number);

    private static Restriction Without(Layout request) => new(request, null);

    private static Restriction Refused(string why) => new(Nothing, why);
}
