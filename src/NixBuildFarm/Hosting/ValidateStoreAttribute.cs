using System.Management.Automation;
using NixBuildFarm.Builders.Policies;

namespace NixBuildFarm.Hosting;

/// <summary>A store that <c>nix copy --to</c> knows.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ValidateStoreAttribute : ValidateEnumeratedArgumentsAttribute
{
    /// <inheritdoc/>
    protected override void ValidateElement(object element)
    {
        if (element is not string uri || StoreUri.WhyNot(uri) is not { } why) return;
        throw new ValidationMetadataException(
            $"“{StoreUri.WithoutSecrets(uri)}” is no store: {why}. Name one as nix copy --to does: s3://cache, file:///srv/cache, "
                + "https://cache.example.org, ssh-ng://host.");
    }
}
