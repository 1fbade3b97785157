using System.Management.Automation;

namespace NixBuildFarm.Hosting;

/// <summary>How long one waits for a builder: not at all, or up to a year.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ValidateAbsenceAttribute : ValidateEnumeratedArgumentsAttribute
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(365);

    /// <inheritdoc/>
    protected override void ValidateElement(object element)
    {
        if (element is TimeSpan absence && (absence < TimeSpan.Zero || absence > Longest))
        {
            throw new ValidationMetadataException(
                $"{absence} is no time to wait for a builder: it is between 0, where builds do not wait, and {Longest.TotalDays:0} days.");
        }
    }
}
