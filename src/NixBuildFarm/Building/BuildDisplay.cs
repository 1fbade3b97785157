namespace NixBuildFarm.Building;

/// <summary>How a build is shown while it goes on.</summary>
public enum BuildDisplay
{
    /// <summary>As progress: a few lines.</summary>
    Progress,

    /// <summary>
    /// On the whole terminal, as Watch-NixBuild shows it. The results follow when the run has ended, or a key has left the view.
    /// </summary>
    Full,
}
