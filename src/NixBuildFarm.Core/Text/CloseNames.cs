namespace NixBuildFarm.Text;

/// <summary>Finds the names that a misspelt one may mean.</summary>
public static class CloseNames
{
    private const int Most = 3;

    /// <summary>
    /// At most three candidates that differ in few letters or contain the name, the closest first; letter case makes no difference.
    /// </summary>
    public static IReadOnlyList<string> To(string name, IEnumerable<string> candidates) => candidates
        .Select(candidate => (Name: candidate, Distance: Distance(name.ToUpperInvariant(), candidate.ToUpperInvariant())))
        .Where(c => c.Distance <= Math.Max(1, name.Length / 3) || c.Name.Contains(name, StringComparison.OrdinalIgnoreCase))
        .OrderBy(c => c.Distance)
        .Select(c => c.Name)
        .Take(Most)
        .ToArray();

    /// <summary>Letters to add, remove, replace or swap with their neighbour (optimal string alignment).</summary>
    private static int Distance(string from, string to)
    {
        // Rows of the table: the cost to make the first j letters of `to` from the first i of `from`.
        var (before, last, row) = (new int[to.Length + 1], Enumerable.Range(0, to.Length + 1).ToArray(), new int[to.Length + 1]);
        for (var i = 1; i <= from.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= to.Length; j++)
            {
                var replace = last[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
                row[j] = Math.Min(replace, Math.Min(last[j], row[j - 1]) + 1);
                if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) row[j] = Math.Min(row[j], before[j - 2] + 1);
            }
            (before, last, row) = (last, row, before);
        }
        return last[to.Length];
    }
}
