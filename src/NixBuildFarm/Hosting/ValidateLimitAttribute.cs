using System.Management.Automation;

namespace NixBuildFarm.Hosting;

/// <summary>
/// A limit of time for builds: at least a second, since Nix counts seconds and takes none for no limit, and at most a year.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ValidateLimitAttribute : ValidateEnumeratedArgumentsAttribute
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(365);

    /// <inheritdoc/>
    protected override void ValidateElement(object element)
    {
        if (element is TimeSpan limit && (limit < TimeSpan.FromSeconds(1) || limit > Longest))
        {
            throw new ValidationMetadataException($"{limit} is no limit for a build: it has to be between one second and "
                + $"{Longest.TotalDays:0} days. Without the parameter there is none but the builder's own.");
        }
    }
}
