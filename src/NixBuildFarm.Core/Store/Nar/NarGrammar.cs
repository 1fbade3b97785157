namespace NixBuildFarm.Store.Nar;

/// <summary>The states of <see cref="NarGrammar"/>.</summary>
internal enum NarState
{
    Magic,
    Open,
    TypeTag,
    Type,
    ContentsOrExecutable,
    ExecutableMark,
    ContentsTag,
    FileSize,
    Contents,
    TargetTag,
    Target,
    Close,
    EntryOrClose,
    EntryOpen,
    NameTag,
    Name,
    NodeTag,
    EntryClose,

    /// <summary>A node has ended. The enclosing node decides what follows: the end of its entry, or nothing.</summary>
    EndOfNode,
}

/// <summary>
/// The grammar of a NAR as a table: for each state, the strings that are accepted and the state after each.
/// <code>
/// nar   = "nix-archive-1" node
/// node  = "(" "type" kind ")"
/// kind  = "regular" [ "executable" "" ] "contents" SIZE BYTES
///       | "symlink" "target" TARGET
///       | "directory" { "entry" "(" "name" NAME "node" node ")" }
/// </code>
/// Each string is its length in 8 bytes, its bytes, and zeros up to a multiple of 8. SIZE and BYTES are such a string as well, which
/// <see cref="NarParser"/> reads in pieces.
/// </summary>
/// <remarks>Dolstra, “The Purely Functional Software Deployment Model”, 2006, figure 5.2.</remarks>
internal static class NarGrammar
{
    /// <summary>Bytes of the length of a string.</summary>
    public const int LengthSize = sizeof(ulong);

    private static readonly NarRule[] Rules = [.. Enum.GetValues<NarState>().Select(Describe)];
    private static readonly long[] ShortestRests = MeasureShortestRests();

    /// <summary>The words that a state accepts.</summary>
    public static NarRule RuleOf(NarState state) => Rules[(int)state];

    /// <summary>
    /// The fewest bytes from a state to the end of the node that it belongs to; in <see cref="NarState.EntryOrClose"/> and
    /// <see cref="NarState.EntryClose"/> that is the directory. The bytes of a file are not counted.
    /// </summary>
    public static long ShortestRest(NarState state) => ShortestRests[(int)state];

    /// <summary>Bytes that a string of a length takes without the length itself.</summary>
    public static int Padded(int length) => (length + 7) & ~7;

    private static NarRule Describe(NarState state) => state switch
    {
        NarState.Magic => Word("nix-archive-1", NarState.Open),
        NarState.Open => Word("(", NarState.TypeTag),
        NarState.TypeTag => Word("type", NarState.Type),
        NarState.Type => new(
            "“regular”, “directory” or “symlink”",
            new("regular", NarState.ContentsOrExecutable),
            new("symlink", NarState.TargetTag),
            new("directory", NarState.EntryOrClose, NarToken.Directory)),
        NarState.ContentsOrExecutable => new(
            "“contents” or “executable”", new("contents", NarState.FileSize), new("executable", NarState.ExecutableMark)),
        NarState.ExecutableMark => new("an empty string", new NarStep("", NarState.ContentsTag)),
        NarState.ContentsTag => Word("contents", NarState.FileSize),
        NarState.TargetTag => Word("target", NarState.Target),
        NarState.Target => NarRule.Text("the target of a symbolic link", NarParser.MaxTargetLength, NarState.Close, NarToken.SymbolicLink),
        NarState.Close => Word(")", NarState.EndOfNode, NarToken.End),
        NarState.EntryOrClose => new(
            "“entry” or “)”", new("entry", NarState.EntryOpen), new(")", NarState.EndOfNode, NarToken.End)),
        NarState.EntryOpen => Word("(", NarState.NameTag),
        NarState.NameTag => Word("name", NarState.Name),
        NarState.Name => NarRule.Text("a name", NarParser.MaxNameLength, NarState.NodeTag, NarToken.Entry),
        NarState.NodeTag => Word("node", NarState.Open),
        NarState.EntryClose => Word(")", NarState.EntryOrClose),
        // These are no strings: the parser reads them itself.
        _ => new("nothing"),
    };

    private static NarRule Word(string word, NarState next, NarToken token = NarToken.None) =>
        new($"“{word}”", new NarStep(word, next, token));

    /// <summary>Relaxes the distances until none changes: the table is small, and it is measured once.</summary>
    private static long[] MeasureShortestRests()
    {
        var rests = new long[Rules.Length];
        Array.Fill(rests, int.MaxValue);
        rests[(int)NarState.EndOfNode] = 0;
        for (var isChanged = true; isChanged;)
        {
            isChanged = false;
            for (var state = 0; state < rests.Length; state++)
            {
                var rest = (NarState)state switch
                {
                    NarState.EndOfNode => 0,
                    NarState.FileSize => LengthSize + rests[(int)NarState.Contents],
                    NarState.Contents => rests[(int)NarState.Close],
                    _ => Rules[state].Steps.Min(step => step.ShortestSize + rests[(int)step.Next]),
                };
                isChanged |= rest < rests[state];
                rests[state] = Math.Min(rests[state], rest);
            }
        }
        return rests;
    }
}
