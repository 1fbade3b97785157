using System.ComponentModel;
using NixBuildFarm.Builders;

namespace NixBuildFarm.Views;

/// <summary>Columns of NixBuilder.Format.ps1xml that are no plain property.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class BuilderView
{
    private const int SourceWidth = 24;

    /// <summary>Systems without <c>-linux</c>, which nearly all have, and without the levels of x86_64, which say nothing about another machine.</summary>
    public static string Systems(NixBuilder builder) => string.Join(
        ", ", builder.Systems.Where(s => !s.StartsWith("x86_64-v", StringComparison.Ordinal)).Select(s => s.EndsWith("-linux", StringComparison.Ordinal) ? s[..^"-linux".Length] : s));

    /// <summary>Features, of which the mandatory ones say so.</summary>
    public static string Features(NixBuilder builder) => string.Join(
        ", ", builder.MandatoryFeatures.Select(f => f + " (required)").Concat(builder.SupportedFeatures.Except(builder.MandatoryFeatures)));

    /// <summary>The end of the source, which is the telling part of a path.</summary>
    public static string Source(NixBuilder builder) =>
        builder.Source.Length <= SourceWidth ? builder.Source : "…" + builder.Source[^(SourceWidth - 1)..];

    /// <summary>A number of bytes; nothing for none.</summary>
    public static string Size(long? bytes) => bytes is { } count ? Display.Bytes(count) : "";

    /// <summary>What a policy sets beyond the columns of the table.</summary>
    public static string Others(NixBuilderPolicy policy) =>
        policy.Settings.ToString(except: [nameof(NixBuilderPolicy.MaxJobs), nameof(NixBuilderPolicy.SpeedFactor), nameof(NixBuilderPolicy.Enabled)]);

    /// <summary>Whom a policy is for.</summary>
    public static string For(NixBuilderPolicy policy) => policy.ToString();
}
