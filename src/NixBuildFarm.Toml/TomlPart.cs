using Tomlyn.Syntax;

namespace NixBuildFarm.Toml;

/// <summary>A place in a list, both numbers from 1.</summary>
internal sealed record TomlPlace(int Line, int Column);

/// <summary>A document, or some of its lines that were parsed by themselves.</summary>
/// <param name="Document">The parsed document.</param>
/// <param name="FirstLine">The line of the list that it begins with, from 1.</param>
internal sealed record TomlPart(DocumentSyntax Document, int FirstLine)
{
    /// <summary>Where something stands.</summary>
    public TomlPlace PlaceOf(SourceSpan span) => new(FirstLine + span.Start.Line, span.Start.Column + 1);

    /// <summary>Every key with its whole path and its value, inline tables taken apart; tables themselves have no value.</summary>
    public IEnumerable<(IReadOnlyList<string> Path, TomlPlace Place, ValueSyntax? Value)> Lines()
    {
        foreach (var line in Document.KeyValues.SelectMany(keyValue => Lines([], keyValue))) yield return line;
        foreach (var table in Document.Tables)
        {
            var path = PathOf(table.Name!);
            yield return (path, PlaceOf(table.Span), null);
            foreach (var line in table.Items.SelectMany(keyValue => Lines(path, keyValue))) yield return line;
        }
    }

    private IEnumerable<(
        IReadOnlyList<string> Path, TomlPlace Place, ValueSyntax? Value)> Lines(IReadOnlyList<string> above, KeyValueSyntax keyValue)
    {
        IReadOnlyList<string> path = [.. above, .. PathOf(keyValue.Key!)];
        var place = PlaceOf(keyValue.Span);
        return keyValue.Value is InlineTableSyntax table
            ? [(path, place, null), .. table.Items.SelectMany(item => Lines(path, item.KeyValue!))]
            : [(path, place, keyValue.Value)];
    }

    private static IReadOnlyList<string> PathOf(KeySyntax key) => [TextOf(key.Key), .. key.DotKeys.Select(dotted => TextOf(dotted.Key))];

    private static string TextOf(BareKeyOrStringValueSyntax? key) => key switch
    {
        StringValueSyntax text => text.Value ?? "",
        BareKeySyntax bare => bare.Key?.Text ?? "",
        _ => "",
    };
}
