using System.Collections.ObjectModel;

namespace NixBuildFarm.Builders;

/// <summary>
/// A list of names that is written as in a machines list: with commas. So it survives a table of text, such as that of Export-Csv.
/// </summary>
internal sealed class NameList(IEnumerable<string> names) : ReadOnlyCollection<string>([.. names])
{
    /// <summary>Makes the list; returns the argument if it is a <see cref="NameList"/> already.</summary>
    public static NameList Of(IReadOnlyList<string> names) => names as NameList ?? new(names);

    /// <summary>The names with commas between them.</summary>
    public override string ToString() => string.Join(',', this);
}
