using static NixBuildFarm.Serving.Layouts;

namespace NixBuildFarm.Serving;

/// <summary>A request of the worker protocol: how it is laid out, and its reply.</summary>
/// <param name="Name">As Nix calls it.</param>
/// <param name="Request">What follows the number.</param>
/// <param name="Reply">What follows the last message.</param>
internal sealed record Operation(string Name, Layout Request, Layout Reply)
{
    /// <summary>A result of BuildPathsWithResults.</summary>
    public static readonly Layout KeyedResult = Sequence(OneText, BuildResult);

    // The versions from 1.32 on: what older ones have is not in it. [src/libstore/daemon.cc and remote-store.cc of NixOS/nix]
    private static readonly Dictionary<ulong, Operation> All = new()
    {
        [1] = new("IsValidPath", OneText, Number),
        [6] = new("QueryReferrers", OneText, Texts),
        [7] = new("AddToStore", Sequence(OneText, OneText, Texts, Number, Frames), Sequence(OneText, PathInfo)),
        [8] = new("AddTextToStore", Sequence(OneText, OneText, Texts), OneText),
        [9] = new("BuildPaths", Sequence(Texts, Number), Number),
        [10] = new("EnsurePath", OneText, Number),
        [11] = new("AddTempRoot", OneText, Number),
        [12] = new("AddIndirectRoot", OneText, Number),
        [13] = new("SyncWithGC", Nothing, Number),
        [14] = new("FindRoots", Nothing, Map),
        [18] = new("QueryDeriver", OneText, OneText),
        [SetOptions] = new("SetOptions", Sequence([.. Enumerable.Repeat(Number, SettingsByPosition), Map]), Nothing),
        [20] = new("CollectGarbage", Sequence(Number, Texts, Number, Number, Number, Number, Number), Sequence(Texts, Number, Number)),
        [21] = new("QuerySubstitutablePathInfo", OneText, Optional(Sequence(OneText, Texts, Number, Number))),
        [22] = new("QueryDerivationOutputs", OneText, Texts),
        [23] = new("QueryAllValidPaths", Nothing, Texts),
        [26] = new("QueryPathInfo", OneText, Optional(PathInfo)),
        [28] = new("QueryDerivationOutputNames", OneText, Texts),
        [29] = new("QueryPathFromHashPart", OneText, OneText),
        [30] = new("QuerySubstitutablePathInfos", Map, Many(OneText, OneText, Texts, Number, Number)),
        [31] = new("QueryValidPaths", Sequence(Texts, Number), Texts),
        [32] = new("QuerySubstitutablePaths", Texts, Texts),
        [33] = new("QueryValidDerivers", OneText, Texts),
        [34] = new("OptimiseStore", Nothing, Number),
        [35] = new("VerifyStore", Sequence(Number, Number), Number),
        [36] = new("BuildDerivation", Sequence(OneText, BasicDerivation, Number), BuildResult),
        [37] = new("AddSignatures", Sequence(OneText, Texts), Number),
        [38] = new("NarFromPath", OneText, StderrPassage.NarAsync),
        [39] = new("AddToStoreNar", Sequence(OneText, PathInfo, Number, Number, Frames), Nothing),
        [40] = new("QueryMissing", Texts, Sequence(Texts, Texts, Texts, Number, Number)),
        [41] = new("QueryDerivationOutputMap", OneText, Map),
        [42] = new("RegisterDrvOutput", Realised(byPath: Sequence(OneText, OneText, OneText, Texts), byHash: OneText), Nothing),
        [43] = new(
            "QueryRealisation",
            Realised(byPath: Sequence(OneText, OneText), byHash: OneText),
            Realised(byPath: Optional(Sequence(OneText, Texts)), byHash: Texts)),
        [44] = new("AddMultipleToStore", Sequence(Number, Number, Frames), Nothing),
        [45] = new("AddBuildLog", Sequence(OneText, Frames), Number),
        [46] = new("BuildPathsWithResults", Sequence(Texts, Number), Many(KeyedResult)),
        [47] = new("AddPermRoot", Sequence(OneText, OneText), OneText),
    };

    /// <summary>The number of SetOptions.</summary>
    public const ulong SetOptions = 19;

    /// <summary>The settings of SetOptions that are known by their position; those by name follow.</summary>
    public const int SettingsByPosition = 12;

    /// <summary>The operation of a number; null: there is none.</summary>
    public static Operation? Of(ulong number) => All.GetValueOrDefault(number);
}
