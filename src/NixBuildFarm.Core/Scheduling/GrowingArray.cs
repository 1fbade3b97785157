namespace NixBuildFarm.Scheduling;

/// <summary>
/// Arrays by job that grow when work joins. They double, so that what joins is paid for once, however large the graph is.
/// </summary>
internal static class GrowingArray
{
    /// <summary>Makes room, and fills it.</summary>
    /// <param name="array">The array; replaced where it is too short.</param>
    /// <param name="length">How long it has to be.</param>
    /// <param name="fill">What stands in the room that is new.</param>
    /// <returns>Whether it was replaced.</returns>
    public static bool Grow<T>(ref T[] array, int length, T fill)
    {
        var before = array.Length;
        if (length <= before) return false;
        Array.Resize(ref array, Math.Max(length, 2 * before));
        array.AsSpan(before).Fill(fill);
        return true;
    }
}
