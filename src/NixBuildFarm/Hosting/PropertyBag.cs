using System.Collections;
using System.Globalization;
using System.Management.Automation;

namespace NixBuildFarm.Hosting;

/// <summary>
/// Reads values of objects and of property bags, which objects become in a job, a file or a remote session: there a list is another list,
/// and deep values are text.
/// </summary>
internal static class PropertyBag
{
    /// <summary>The object behind PowerShell's wrapper.</summary>
    public static object? Bare(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;

    /// <summary>A property of an object or of a bag; null where there is none.</summary>
    public static object? Property(object? owner, string name) => owner is null ? null : PSObject.AsPSObject(owner).Properties[name]?.Value;

    /// <summary>A property as text; null where there is none.</summary>
    public static string? TextProperty(object? owner, string name) => Text(Property(owner, name)) is { Length: > 0 } text ? text : null;

    /// <summary>A value as text.</summary>
    public static string Text(object? value) =>
        LanguagePrimitives.ConvertTo(value, typeof(string), CultureInfo.InvariantCulture) as string ?? "";

    /// <summary>A value of a type that it has, or had; null for anything else.</summary>
    public static T? As<T>(object? value)
        where T : struct => Bare(value) switch
        {
            null => null,
            T own => own,
            _ => LanguagePrimitives.TryConvertTo<T>(value, CultureInfo.InvariantCulture, out var converted) ? converted : null,
        };

    /// <summary>A moment; a property bag of a moment has it as a property.</summary>
    public static DateTimeOffset? Moment(object? value) => Property(value, nameof(DateTimeOffset.UtcDateTime)) is DateTime utc
        ? new(DateTime.SpecifyKind(utc, DateTimeKind.Utc))
        : As<DateTimeOffset>(value);

    /// <summary>The items of a list; none where there is none.</summary>
    public static IEnumerable<object> Items(object? list) => Bare(list) switch
    {
        null => [],
        string text => [text],
        IEnumerable items => items.Cast<object?>().OfType<object>(),
        var single => [single],
    };

    /// <summary>The items of a list as texts.</summary>
    public static IEnumerable<string> Texts(object? list) => Items(list).Select(Text);
}
