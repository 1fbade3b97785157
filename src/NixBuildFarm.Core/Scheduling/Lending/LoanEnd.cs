namespace NixBuildFarm.Scheduling.Lending;

/// <summary>How a compile on a helper has ended.</summary>
internal enum LoanEnd
{
    /// <summary>Its result has gone to the shim: it is done.</summary>
    Delivered,

    /// <summary>It cannot be compiled elsewhere, by no fault of the helper. It goes home.</summary>
    Unsuitable,

    /// <summary>The helper has failed with it. It goes home.</summary>
    Failed,
}
