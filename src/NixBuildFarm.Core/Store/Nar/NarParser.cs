using System.Buffers.Binary;
using NixBuildFarm.Text;

namespace NixBuildFarm.Store.Nar;

/// <summary>
/// Parses one NAR that arrives in pieces of any size: bytes in, tokens out, no I/O. Accepts exactly what Nix writes: sorted and unique
/// names, zero padding, no name that could leave its directory.
/// </summary>
/// <remarks>
/// Format: Dolstra, “The Purely Functional Software Deployment Model”, 2006, figure 5.2, as Nix's
/// <c>src/libutil/archive.cc</c> has it today. A string is a length of 8 bytes, the bytes, and zeros up to a multiple of 8.
/// </remarks>
internal sealed class NarParser
{
    /// <summary>The longest name of a directory entry, in bytes: Linux's NAME_MAX.</summary>
    public const int MaxNameLength = 255;

    /// <summary>The longest target of a symbolic link, in bytes: Linux's PATH_MAX without the final NUL.</summary>
    public const int MaxTargetLength = 4095;

    /// <summary>How deep directories nest at most: no path within PATH_MAX has more parts.</summary>
    public const int MaxDepth = 2048;

    /// <summary>The largest file that is believed, in bytes.</summary>
    public const long MaxFileSize = 1L << 60;

    // The rest of an enclosing directory: “)” of the open entry, “)” of the directory.
    private const int ClosingOfDirectory = 32;

    private readonly byte[] held = new byte[NarGrammar.Padded(MaxTargetLength)];
    private readonly List<LastName> lastNames = [];
    private NarState expected = NarState.Magic;
    private int heldCount;
    private int? textLength;
    private long unitStart;
    private long contentsLeft;
    private int contentsPadding;
    private int depth;

    /// <summary>Bytes consumed so far.</summary>
    public long Position { get; private set; }

    /// <summary>Whether the NAR has ended. Bytes after it are not consumed.</summary>
    public bool IsComplete => expected == NarState.EndOfNode;

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
            var rest = NarGrammar.ShortestRest(expected) + (long)EnclosingDirectories * ClosingOfDirectory;
            if (expected == NarState.Contents) rest += contentsLeft + contentsPadding;
            if (textLength is { } length) rest = Math.Max(rest - NarGrammar.LengthSize, NarGrammar.Padded(length));
            return rest - heldCount;
        }
    }

    /// <summary>The directories around the node that the state belongs to.</summary>
    private int EnclosingDirectories => expected is NarState.EntryOrClose or NarState.EntryClose ? depth - 1 : depth;

    /// <summary>Finds the next token, and moves <paramref name="data"/> past the consumed bytes.</summary>
    /// <param name="data">The next bytes of the NAR.</param>
    /// <param name="payload">The token's data; overwritten by the next call.</param>
    /// <returns><see cref="NarToken.None"/> when all data is consumed or the NAR is complete.</returns>
    /// <exception cref="NarException">The bytes are no NAR; the parser cannot be used any more.</exception>
    public NarToken Read(ref ReadOnlySpan<byte> data, out ReadOnlySpan<byte> payload)
    {
        while (true)
        {
            switch (expected)
            {
                case NarState.EndOfNode:
                    payload = default;
                    return NarToken.None;

                case NarState.FileSize:
                    if (!TryTake(ref data, NarGrammar.LengthSize, out payload)) return NarToken.None;
                    BeginFile(payload);
                    payload = default;
                    return NarToken.File;

                case NarState.Contents when contentsLeft > 0:
                    return TakeContents(ref data, out payload);

                case NarState.Contents:
                    if (!TryTake(ref data, contentsPadding, out payload)) return NarToken.None;
                    CheckPadding(payload);
                    payload = default;
                    Expect(NarState.Close);
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
        new(
            NarException.Truncated,
            Position,
            $"The NAR ends early, after {Position} bytes{Where}: at least {MinimumRemaining} more are missing.");

    // A unit has to be seen whole. It is copied only if it arrives in pieces.
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
            if (!TryTake(ref data, NarGrammar.LengthSize, out text)) return false;
            textLength = CheckLength(BinaryPrimitives.ReadUInt64LittleEndian(text));
        }

        var length = textLength.Value;
        if (!TryTake(ref data, NarGrammar.Padded(length), out text)) return false;
        CheckPadding(text[length..]);
        text = text[..length];
        return true;
    }

    private int CheckLength(ulong length)
    {
        var rule = NarGrammar.RuleOf(expected);
        if (length <= (ulong)rule.MaxLength) return (int)length;
        throw Wrong($"{rule.Wording} expected, of {rule.MaxLength} bytes at the most, but {length} bytes are announced");
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
        Expect(NarState.Contents);
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
        var rule = NarGrammar.RuleOf(expected);
        var step = rule.StepOn(text) ?? throw Wrong($"{rule.Wording} expected, but found {Quote(text)}");
        switch (expected)
        {
            case NarState.Name: CheckName(text); break;
            case NarState.Target: CheckTarget(text); break;
            case NarState.Type: IsExecutable = false; break;
            case NarState.ExecutableMark: IsExecutable = true; break;
            case NarState.EntryOrClose when step.Token == NarToken.End: depth--; break;
        }
        if (step.Token == NarToken.Directory) EnterDirectory();
        // A node ends in an entry, or with the NAR.
        Expect(step.Next == NarState.EndOfNode && depth > 0 ? NarState.EntryClose : step.Next);
        return step.Token;
    }

    private void Expect(NarState next)
    {
        expected = next;
        textLength = null;
        unitStart = Position;
    }

    private void EnterDirectory()
    {
        if (depth == MaxDepth) throw Wrong($"directories nest deeper than {MaxDepth}");
        if (lastNames.Count == depth) lastNames.Add(new LastName());
        lastNames[depth++].Clear();
    }

    private void CheckTarget(ReadOnlySpan<byte> target)
    {
        if (target.IsEmpty || target.Contains((byte)0)) throw Wrong("a symbolic link has a target that no file system knows");
    }

    private void CheckName(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) || name.IndexOfAny((byte)'/', (byte)0) >= 0)
        {
            throw Wrong($"{Quote(name)} cannot be the name of a directory entry");
        }

        var last = lastNames[depth - 1];
        if (name.SequenceCompareTo(last.Bytes) <= 0)
        {
            throw Wrong($"{Quote(name)} follows {Quote(last.Bytes)}, but names must be sorted and unique");
        }
        last.Set(name);
    }

    private string Where
    {
        get
        {
            var names = lastNames.Take(depth)
                .TakeWhile(name => !name.Bytes.IsEmpty)
                .Select(name => Printable.Replaced(NixText.GetString(name.Bytes)));
            return string.Join('/', names) is { Length: > 0 } path ? $" in “{path}”" : "";
        }
    }

    private NarException Wrong(string what) =>
        new(NarException.Malformed, unitStart, $"The NAR is malformed at byte {unitStart}{Where}: {what}.");

    private static string Quote(ReadOnlySpan<byte> text) => $"“{Printable.Replaced(NixText.GetString(text))}”";

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
