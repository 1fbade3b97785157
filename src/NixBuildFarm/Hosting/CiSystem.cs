namespace NixBuildFarm.Hosting;

/// <summary>The CI system that this process runs in.</summary>
internal static class CiSystem
{
    /// <summary>Whether this process runs in a CI system, without a terminal.</summary>
    public static bool IsHere => Is("CI") && Console.IsOutputRedirected;

    /// <summary>The file that GitHub shows as the summary of a job; null: this is no such job.</summary>
    public static string? SummaryFile =>
        Environment.GetEnvironmentVariable("GITHUB_STEP_SUMMARY") is { Length: > 0 } file && Is("GITHUB_ACTIONS") ? file : null;

    /// <summary>Whether an environment variable says so.</summary>
    public static bool Is(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value && !value.Equals("false", StringComparison.OrdinalIgnoreCase)
            && value != "0";
}
