using NixBuildFarm.Store;

namespace NixBuildFarm.Transport;

/// <summary>
/// A program in the store of a builder, and what it is to do. Both come from this project alone: a store path has no character that a shell
/// minds, and the trade is a plain word.
/// </summary>
public sealed record StoreProgram
{
    /// <summary>Names a program.</summary>
    /// <param name="path">The store path, which is the program itself.</param>
    /// <param name="trade">Its one argument.</param>
    /// <exception cref="ArgumentException">The argument is no plain word.</exception>
    public StoreProgram(StorePath path, string trade)
    {
        if (trade.Length == 0 || !trade.All(char.IsAsciiLetterLower)) throw new ArgumentException("Lower-case letters only.", nameof(trade));
        (Path, Trade) = (path, trade);
    }

    /// <summary>The program.</summary>
    public StorePath Path { get; }

    /// <summary>Its argument.</summary>
    public string Trade { get; }
}
