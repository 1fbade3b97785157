namespace NixBuildFarm.Protocol.Messages;

/// <summary>The numbers of the requests that this client makes.</summary>
internal enum WorkerOperation : ulong
{
    BuildPaths = 9,
    EnsurePath = 10,
    AddTempRoot = 11,
    AddIndirectRoot = 12,
    SetOptions = 19,
    CollectGarbage = 20,
    QueryPathInfo = 26,
    QueryValidPaths = 31,
    BuildDerivation = 36,
    NarFromPath = 38,
    AddToStoreNar = 39,
    QueryMissing = 40,
    QueryDerivationOutputMap = 41,
    RegisterRealisation = 42,
    QueryRealisation = 43,
    AddBuildLog = 45,
    BuildPathsWithResults = 46,
}
