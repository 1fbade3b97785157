using System.Text;

namespace NixBuildFarm.Bench.Farm;

/// <summary>What a benchmark says: on the console at once, and in a document when it is over.</summary>
internal sealed class ResultTable
{
    private const string End = "<!-- up to here -->";

    private readonly StringBuilder text = new();

    /// <summary>Says a line.</summary>
    public void Line(string line)
    {
        Console.WriteLine(line);
        text.Append(line).Append('\n');
    }

    /// <summary>Puts all lines into a document, in place of those that the same benchmark said before.</summary>
    /// <param name="document">It has a place for them.</param>
    /// <param name="benchmark">What marks the place.</param>
    public async Task ReplaceAsync(string document, string benchmark)
    {
        var mark = $"<!-- from here on written by: {benchmark} -->\n";
        var former = await File.ReadAllTextAsync(document);
        var begin = former.IndexOf(mark, StringComparison.Ordinal) + mark.Length;
        var end = begin < mark.Length ? -1 : former.IndexOf(End, begin, StringComparison.Ordinal);
        if (end < 0) throw new InvalidOperationException($"{document} has no place for the table: {mark}{End}");
        await File.WriteAllTextAsync(document, former[..begin] + text + former[end..]);
    }
}
