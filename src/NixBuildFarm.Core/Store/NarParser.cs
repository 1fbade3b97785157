using System.Buffers.Binary;
using System.Diagnostics;

namespace NixBuildFarm.Store;

/// <summary>
/// Reads one NAR that arrives in pieces of any size: bytes in, tokens out, no I/O. Accepts exactly what Nix writes:
/// names sorted and unique, padding of zeros, no name that could leave its directory.
/// </summary>
/// <remarks>
/// Format: Dolstra, “The Purely Functional Software Deployment Model”, 2006, figure 5.2, as Nix's
/// <c>src/libutil/archive.cc</c> has it today. A string is a length of 8 bytes, the bytes, and zeros up to a multiple of 8.
/// </remarks>
public sealed class NarParser
{
    /// <summary>The longest name of a directory entry, in bytes: Linux's NAME_MAX.</summary>
    public const int MaxNameLength = 255;

    /// <summary>The longest target of a symbolic link, in bytes: Linux's PATH_MAX without the final NUL.</summary>
    public const int MaxTargetLength = 4095;

    /// <summary>How deep directories nest at most: no path within PATH_MAX has more parts.</summary>
    public const int MaxDepth = 2048;

    /// <summary>The largest file that is believed, in bytes.</summary>
    public const long MaxFileSize = 1L << 60;

    private const int LengthSize = sizeof(ulong);
    private const int LongestTag = 13; // nix-archive-1

    // What enclosing directories still need: “)” of the entry that is open, “)” of the directory.
    private const int ClosingOfDirectory = 32;

    private readonly byte[] held = new byte[Padded(MaxTargetLength)];
    private readonly List<LastName> lastNames = [];
    private Expected expected = Expected.Magic;
    private int heldCount;
    private int? textLength;
    private long unitStart;
    private long contentsLeft;
    private int contentsPadding;
    private int depth;

    private enum Expected
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
        Nothing,
    }

    /// <summary>Bytes consumed so far.</summary>
    public long Position { get; private set; }

    /// <summary>Whether the NAR has ended. What follows it is not touched.</summary>
    public bool IsComplete => expected == Expected.Nothing;

    /// <summary>Whether the file that <see cref="NarToken.File"/> announced is executable.</summary>
    public bool IsExecutable { get; private set; }

    /// <summary>The size in bytes of the file that <see cref="NarToken.File"/> announced.</summary>
    public long FileSize { get; private set; }

    /// <summary>
    /// How many bytes of this NAR are still to come at the least: 0 only when it is complete. A reader of a stream that
    /// goes on after the NAR may ask for so many at once.
    /// </summary>
    public long MinimumRemaining
    {
        get
        {
            if (IsComplete) return 0;
            var rest = ShortestRest + (long)depth * ClosingOfDirectory;
            if (textLength is { } length) rest = Math.Max(rest - LengthSize, Padded(length));
            return rest - heldCount;
        }
    }

    // From what is expected to the end of the innermost node, taking each time the shortest way through the grammar.
    private long ShortestRest => expected switch
    {
        Expected.Magic => 96,
        Expected.EntryOpen => 136,
        Expected.NameTag => 120,
        Expected.Name => 104,
        Expected.NodeTag => 88,
        Expected.Open => 72,
        Expected.TypeTag => 56,
        Expected.Type => 40,
        Expected.ExecutableMark => 48,
        Expected.ContentsOrExecutable or Expected.ContentsTag => 40,
        Expected.FileSize => 24,
        Expected.Contents => contentsLeft + contentsPadding + 16,
        Expected.TargetTag => 48,
        Expected.Target => 32,
        Expected.Close => 16,
        Expected.EntryClose => 0, // its “)” is counted with the directory
        Expected.EntryOrClose => -16, // no entry is open
        _ => throw new UnreachableException(),
    };

    /// <summary>Finds the next token, moving <paramref name="data"/> past what it consumed.</summary>
    /// <param name="data">The next bytes of the NAR.</param>
    /// <param name="payload">What the token carries; overwritten by the next call.</param>
    /// <returns><see cref="NarToken.None"/> when all data is consumed or the NAR is complete.</returns>
    /// <exception cref="NarException">The bytes are no NAR; the parser cannot be used any more.</exception>
    public NarToken Read(ref ReadOnlySpan<byte> data, out ReadOnlySpan<byte> payload)
    {
        while (true)
        {
            switch (expected)
            {
                case Expected.Nothing:
                    payload = default;
                    return NarToken.None;

                case Expected.FileSize:
                    if (!TryTake(ref data, LengthSize, out payload)) return NarToken.None;
                    BeginFile(payload);
                    payload = default;
                    return NarToken.File;

                case Expected.Contents when contentsLeft > 0:
                    return TakeContents(ref data, out payload);

                case Expected.Contents:
                    if (!TryTake(ref data, contentsPadding, out payload)) return NarToken.None;
                    CheckPadding(payload);
                    payload = default;
                    Expect(Expected.Close);
                    break;

                default:
                    if (!TryTakeText(ref data, out payload)) return NarToken.None;
                    var token = Accept(payload);
                    if (token is not (NarToken.Entry or NarToken.SymbolicLink)) payload = default;
                    if (token != NarToken.None) return token;
                    break;
            }
        }
    }

    /// <summary>The error of a stream that ends although the NAR does not.</summary>
    internal NarException EndedEarly() =>
        new(NarException.Truncated, Position, $"The NAR ends early, after {Position} bytes{Where}: at least {MinimumRemaining} more are missing.");

    private static int Padded(int length) => (length + 7) & ~7;

    // A unit is what must be seen whole. It is held only where it comes in pieces.
    private bool TryTake(ref ReadOnlySpan<byte> data, int size, out ReadOnlySpan<byte> unit)
    {
        if (heldCount == 0 && data.Length >= size)
        {
            unit = data[..size];
            data = data[size..];
            Position += size;
            return true;
        }

        var piece = data[..Math.Min(size - heldCount, data.Length)];
        piece.CopyTo(held.AsSpan(heldCount));
        data = data[piece.Length..];
        Position += piece.Length;
        heldCount += piece.Length;
        var isWhole = heldCount == size;
        if (isWhole) heldCount = 0;
        unit = isWhole ? held.AsSpan(0, size) : default;
        return isWhole;
    }

    private bool TryTakeText(ref ReadOnlySpan<byte> data, out ReadOnlySpan<byte> text)
    {
        if (textLength is null)
        {
            if (!TryTake(ref data, LengthSize, out text)) return false;
            textLength = CheckLength(BinaryPrimitives.ReadUInt64LittleEndian(text));
        }

        var length = textLength.Value;
        if (!TryTake(ref data, Padded(length), out text)) return false;
        CheckPadding(text[length..]);
        text = text[..length];
        return true;
    }

    private int CheckLength(ulong length)
    {
        var limit = expected switch
        {
            Expected.Name => MaxNameLength,
            Expected.Target => MaxTargetLength,
            _ => LongestTag,
        };
        return length <= (ulong)limit ? (int)length : throw Wrong($"{Expectation} expected, of {limit} bytes at the most, but {length} bytes are announced");
    }

    private void CheckPadding(ReadOnlySpan<byte> padding)
    {
        if (padding.IndexOfAnyExcept((byte)0) >= 0) throw Wrong("the padding is not zero");
    }

    private void BeginFile(ReadOnlySpan<byte> size)
    {
        var announced = BinaryPrimitives.ReadUInt64LittleEndian(size);
        if (announced > (ulong)MaxFileSize) throw Wrong($"a file of {announced} bytes is announced");
        FileSize = contentsLeft = (long)announced;
        contentsPadding = (int)(-FileSize & 7);
        Expect(Expected.Contents);
    }

    private NarToken TakeContents(ref ReadOnlySpan<byte> data, out ReadOnlySpan<byte> piece)
    {
        piece = data[..(int)Math.Min(contentsLeft, data.Length)];
        if (piece.IsEmpty) return NarToken.None;
        data = data[piece.Length..];
        Position += piece.Length;
        contentsLeft -= piece.Length;
        if (contentsLeft == 0) unitStart = Position;
        return NarToken.Contents;
    }

    private NarToken Accept(ReadOnlySpan<byte> text)
    {
        switch (expected)
        {
            case Expected.Magic when text.SequenceEqual("nix-archive-1"u8):
                return Expect(Expected.Open);
            case Expected.Open when text.SequenceEqual("("u8):
                return Expect(Expected.TypeTag);
            case Expected.TypeTag when text.SequenceEqual("type"u8):
                return Expect(Expected.Type);

            case Expected.Type when text.SequenceEqual("regular"u8):
                IsExecutable = false;
                return Expect(Expected.ContentsOrExecutable);
            case Expected.ContentsOrExecutable when text.SequenceEqual("executable"u8):
                IsExecutable = true;
                return Expect(Expected.ExecutableMark);
            case Expected.ExecutableMark when text.IsEmpty:
                return Expect(Expected.ContentsTag);
            case Expected.ContentsOrExecutable or Expected.ContentsTag when text.SequenceEqual("contents"u8):
                return Expect(Expected.FileSize);

            case Expected.Type when text.SequenceEqual("symlink"u8):
                return Expect(Expected.TargetTag);
            case Expected.TargetTag when text.SequenceEqual("target"u8):
                return Expect(Expected.Target);
            case Expected.Target:
                if (text.IsEmpty || text.Contains((byte)0)) throw Wrong("a symbolic link has a target that no file system knows");
                return Expect(Expected.Close, NarToken.SymbolicLink);

            case Expected.Type when text.SequenceEqual("directory"u8):
                EnterDirectory();
                return Expect(Expected.EntryOrClose, NarToken.Directory);
            case Expected.EntryOrClose when text.SequenceEqual("entry"u8):
                return Expect(Expected.EntryOpen);
            case Expected.EntryOpen when text.SequenceEqual("("u8):
                return Expect(Expected.NameTag);
            case Expected.NameTag when text.SequenceEqual("name"u8):
                return Expect(Expected.Name);
            case Expected.Name:
                CheckName(text);
                return Expect(Expected.NodeTag, NarToken.Entry);
            case Expected.NodeTag when text.SequenceEqual("node"u8):
                return Expect(Expected.Open);
            case Expected.EntryClose when text.SequenceEqual(")"u8):
                return Expect(Expected.EntryOrClose);

            case Expected.EntryOrClose when text.SequenceEqual(")"u8):
                depth--;
                return EndNode();
            case Expected.Close when text.SequenceEqual(")"u8):
                return EndNode();

            default:
                throw Wrong($"{Expectation} expected, but found {Quote(text)}");
        }
    }

    private NarToken EndNode() => Expect(depth == 0 ? Expected.Nothing : Expected.EntryClose, NarToken.End);

    private NarToken Expect(Expected next, NarToken found = NarToken.None)
    {
        expected = next;
        textLength = null;
        unitStart = Position;
        return found;
    }

    private void EnterDirectory()
    {
        if (depth == MaxDepth) throw Wrong($"directories nest deeper than {MaxDepth}");
        if (lastNames.Count == depth) lastNames.Add(new LastName());
        lastNames[depth++].Clear();
    }

    private void CheckName(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) || name.IndexOfAny((byte)'/', (byte)0) >= 0)
        {
            throw Wrong($"{Quote(name)} cannot be the name of a directory entry");
        }

        var last = lastNames[depth - 1];
        if (name.SequenceCompareTo(last.Bytes) <= 0) throw Wrong($"{Quote(name)} follows {Quote(last.Bytes)}, but names must be sorted and unique");
        last.Set(name);
    }

    private string Expectation => expected switch
    {
        Expected.Magic => "“nix-archive-1”",
        Expected.Open or Expected.EntryOpen => "“(”",
        Expected.TypeTag => "“type”",
        Expected.Type => "“regular”, “directory” or “symlink”",
        Expected.ContentsOrExecutable => "“contents” or “executable”",
        Expected.ExecutableMark => "an empty string",
        Expected.ContentsTag => "“contents”",
        Expected.TargetTag => "“target”",
        Expected.Target => "the target of a symbolic link",
        Expected.Close or Expected.EntryClose => "“)”",
        Expected.EntryOrClose => "“entry” or “)”",
        Expected.NameTag => "“name”",
        Expected.Name => "a name",
        Expected.NodeTag => "“node”",
        _ => throw new UnreachableException(),
    };

    private string Where
    {
        get
        {
            var names = lastNames.Take(depth).TakeWhile(name => !name.Bytes.IsEmpty).Select(name => NixText.Printable(name.Bytes));
            return string.Join('/', names) is { Length: > 0 } path ? $" in “{path}”" : "";
        }
    }

    private NarException Wrong(string what) =>
        new(NarException.Malformed, unitStart, $"The NAR is malformed at byte {unitStart}{Where}: {what}.");

    private static string Quote(ReadOnlySpan<byte> text) => $"“{NixText.Printable(text)}”";

    /// <summary>The entry of one directory that came last: the next must come after it.</summary>
    private sealed class LastName
    {
        private readonly byte[] bytes = new byte[MaxNameLength];
        private int length;

        public ReadOnlySpan<byte> Bytes => bytes.AsSpan(0, length);

        public void Clear() => length = 0;

        public void Set(ReadOnlySpan<byte> name)
        {
            name.CopyTo(bytes);
            length = name.Length;
        }
    }
}
