using System.Buffers;
using NixBuildFarm.Text;

namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// Reads a derivation in ATerm, the format of <c>.drv</c> files. As strict as Nix's writer is: lists that Nix keeps as sets must be
/// sorted without duplicates, and characters escaped exactly where Nix escapes them.
/// </summary>
/// <remarks>
/// Format: Nix's <c>src/libstore/derivation/aterm.cc</c>. Longer than most files: it has a method for each part of the format.
/// </remarks>
internal ref struct DerivationReader
{
    private static readonly SearchValues<byte> Special = SearchValues.Create("\"\\\n\r\t"u8);
    private static readonly IReadOnlyList<string> OutOnly = ["out"];

    // Builders make such derivations: what they nest must not be deeper than a thread has room for.
    private const int MaxDepth = 100;

    private readonly ReadOnlySpan<byte> aterm;
    private bool isOutline;
    private int position;

    /// <param name="aterm">The file.</param>
    /// <param name="isOutline">
    /// Whether what the program is given is checked and left out, but for what says how it is built. Of a derivation that is resolved
    /// later, nothing is.
    /// </param>
    public DerivationReader(ReadOnlySpan<byte> aterm, bool isOutline = false)
    {
        this.aterm = aterm;
        this.isOutline = isOutline;
    }

    /// <summary>How a derivation begins that uses outputs of derivations which its inputs make.</summary>
    public static ReadOnlySpan<byte> DynamicStart => "DrvWithVersion(\"xp-dyn-drv\","u8;

    private readonly ReadOnlySpan<byte> Rest => aterm[position..];

    public Derivation Read()
    {
        if (aterm.Length > Derivation.MaxSize)
        {
            throw new FormatException($"The derivation has {aterm.Length} bytes, more than the {Derivation.MaxSize} that are accepted.");
        }
        var isDynamic = aterm.StartsWith("DrvWithVersion("u8);
        if (isDynamic) Expect(DynamicStart);
        else Expect("Derive("u8);
        var outputs = ReadOutputs();
        isOutline &= !isDynamic && outputs.Values.All(output => output.Path is not null);
        Expect(","u8);
        var dynamicInputs = new Dictionary<StorePath, IReadOnlyDictionary<string, DynamicInput>>();
        var inputDerivations = ReadInputDerivations(isDynamic ? dynamicInputs : null);
        if (isDynamic && dynamicInputs.Count == 0) throw Wrong(0, "it says that it has dynamic inputs, and has none");
        Expect(","u8);
        var inputSources = ReadInputSources();
        Expect(","u8);
        var system = ReadText();
        Expect(","u8);
        var builder = ReadText();
        Expect(","u8);
        var arguments = ReadArguments();
        Expect(","u8);
        var environment = ReadEnvironment();
        Expect(")"u8);
        if (!Rest.IsEmpty) throw Expected("the end");

        return new Derivation
        {
            Outputs = outputs,
            InputDerivations = inputDerivations,
            DynamicInputs = dynamicInputs,
            InputSources = inputSources,
            System = system,
            Builder = builder,
            Arguments = arguments,
            Environment = environment,
        };
    }

    private Dictionary<string, DerivationOutput> ReadOutputs()
    {
        // A Dictionary that nothing is removed from keeps the order, here and below.
        var outputs = new Dictionary<string, DerivationOutput>();
        string? last = null;
        Expect("["u8);
        while (NextItem(isFirst: last is null))
        {
            var start = position;
            Expect("("u8);
            var name = ReadText();
            RequireOrder(last, name, start, "output");
            Expect(","u8);
            var pathText = ReadText(out var pathStart);
            Expect(","u8);
            var algorithm = ReadText();
            Expect(","u8);
            var hash = ReadText();
            Expect(")"u8);

            var output = new DerivationOutput(pathText.Length == 0 ? null : ToStorePath(pathText, pathStart), algorithm, hash);
            RequireMeaning(name, output, start);
            outputs.Add(name, output);
            last = name;
        }
        return outputs.Count > 0 ? outputs : throw Wrong(position, "it has no outputs");
    }

    /// <param name="dynamic">Receives what is used of derivations that inputs make; null: there is nothing of the kind.</param>
    private Dictionary<StorePath, IReadOnlyList<string>> ReadInputDerivations(
        Dictionary<StorePath, IReadOnlyDictionary<string, DynamicInput>>? dynamic)
    {
        var inputs = new Dictionary<StorePath, IReadOnlyList<string>>();
        StorePath? last = null;
        Expect("["u8);
        while (NextItem(isFirst: last is null))
        {
            Expect("("u8);
            var text = ReadText(out var start);
            var path = ToStorePath(text, start);
            if (!path.IsDerivation) throw Wrong(start, $"“{text}” is listed as an input derivation, but is not a .drv");
            RequireOrder(last?.ToString(), text, start, "input derivation");
            Expect(","u8);
            var (names, made) = ReadUse(dynamic is null ? MaxDepth : 0);
            inputs.Add(path, names);
            if (made.Count > 0) dynamic!.Add(path, made);
            Expect(")"u8);
            last = path;
        }
        return inputs;
    }

    /// <summary>The outputs of an input that are used, and what is used of those that are derivations.</summary>
    private DynamicInput ReadUse(int depth)
    {
        if (depth == MaxDepth || !Rest.StartsWith("("u8)) return new(ReadOutputNames(), DynamicInput.None);
        Expect("("u8);
        var names = ReadOutputNames();
        var made = new Dictionary<string, DynamicInput>();
        string? last = null;
        Expect(",["u8);
        while (NextItem(isFirst: last is null))
        {
            Expect("("u8);
            var name = ReadText(out var start);
            RequireOrder(last, name, start, "output");
            Expect(","u8);
            made.Add(name, ReadUse(depth + 1));
            Expect(")"u8);
            last = name;
        }
        if (last is null) throw Expected("an output that is a derivation");
        Expect(")"u8);
        return new(names, made);
    }

    private IReadOnlyList<string> ReadOutputNames()
    {
        if (Rest.StartsWith("[\"out\"]"u8)) // nearly always
        {
            position += 7;
            return OutOnly;
        }

        var names = new List<string>();
        Expect("["u8);
        while (NextItem(isFirst: names.Count == 0))
        {
            var name = ReadText(out var start);
            RequireOrder(names.LastOrDefault(), name, start, "output");
            names.Add(name);
        }
        return names;
    }

    private List<StorePath> ReadInputSources()
    {
        var sources = new List<StorePath>();
        Expect("["u8);
        while (NextItem(isFirst: sources.Count == 0))
        {
            var text = ReadText(out var start);
            RequireOrder(sources.LastOrDefault()?.ToString(), text, start, "input source");
            sources.Add(ToStorePath(text, start));
        }
        return sources;
    }

    private List<string> ReadArguments()
    {
        var arguments = new List<string>();
        Expect("["u8);
        for (var isFirst = true; NextItem(isFirst); isFirst = false)
        {
            if (isOutline) SkipText();
            else arguments.Add(ReadText());
        }
        return arguments;
    }

    private Dictionary<string, string> ReadEnvironment()
    {
        var environment = new Dictionary<string, string>();
        string? last = null;
        Expect("["u8);
        while (NextItem(isFirst: last is null))
        {
            Expect("("u8);
            var name = ReadText(out var start);
            RequireOrder(last, name, start, "variable");
            Expect(","u8);
            if (isOutline && !DerivationAttributes.Names.Contains(name)) SkipText();
            else environment.Add(name, ReadText());
            Expect(")"u8);
            last = name;
        }
        return environment;
    }

    /// <summary>Whether a list goes on: consumes the comma before the next item, or the bracket at its end.</summary>
    private bool NextItem(bool isFirst)
    {
        if (Rest.StartsWith("]"u8))
        {
            position++;
            return false;
        }
        if (isFirst) return true;
        if (!Rest.StartsWith(","u8)) throw Expected("“,” or “]”");
        position++;
        return true;
    }

    private void Expect(ReadOnlySpan<byte> text)
    {
        if (!Rest.StartsWith(text)) throw Expected($"“{NixText.GetString(text)}”");
        position += text.Length;
    }

    private string ReadText() => ReadText(out _);

    private string ReadText(out int start)
    {
        start = position;
        if (!Rest.StartsWith("\""u8)) throw Expected("a string in quotes");
        position++;
        var length = Rest.IndexOfAny(Special);
        if (length >= 0 && Rest[length] == (byte)'"')
        {
            var text = NixText.GetString(Rest[..length]);
            position += length + 1;
            return text;
        }
        return ReadEscapedText(start);
    }

    private string ReadEscapedText(int start)
    {
        var text = new ArrayBufferWriter<byte>();
        ReadToQuote(start, text);
        return NixText.GetString(text.WrittenSpan);
    }

    private void SkipText()
    {
        if (!Rest.StartsWith("\""u8)) throw Expected("a string in quotes");
        ReadToQuote(start: position++, text: null);
    }

    /// <param name="start">Where the string begins.</param>
    /// <param name="text">Receives what it stands for; null: nobody wants it.</param>
    private void ReadToQuote(int start, ArrayBufferWriter<byte>? text)
    {
        while (true)
        {
            var length = Rest.IndexOfAny(Special);
            if (length < 0) throw Wrong(aterm.Length, $"the string that begins at byte {start} does not end");
            text?.Write(Rest[..length]);
            position += length;
            switch (Rest[0])
            {
                case (byte)'"':
                    position++;
                    return;
                case (byte)'\\':
                    var unescaped = Unescape();
                    text?.Write([unescaped]);
                    position += 2;
                    break;
                default:
                    throw Wrong(position, "a line break, carriage return or tab stands in a string without being escaped");
            }
        }
    }

    private readonly byte Unescape() => (Rest.Length > 1 ? Rest[1] : 0) switch
    {
        '"' => (byte)'"',
        '\\' => (byte)'\\',
        'n' => (byte)'\n',
        'r' => (byte)'\r',
        't' => (byte)'\t',
        _ => throw Wrong(position, "the escape is none of \\\", \\\\, \\n, \\r, \\t"),
    };

    private static StorePath ToStorePath(string text, int start)
    {
        try
        {
            return StorePath.Parse(text);
        }
        catch (FormatException cause)
        {
            throw Wrong(start, cause.Message.TrimEnd('.'));
        }
    }

    private static void RequireOrder(string? last, string next, int start, string what)
    {
        if (last is null) return;
        var order = NixText.Compare(last, next);
        if (order == 0) throw Wrong(start, $"the {what} “{Printable.Replaced(next)}” is there twice");
        if (order > 0)
        {
            throw Wrong(start, $"the {what} “{Printable.Replaced(next)}” follows “{Printable.Replaced(last)}”, but they must be sorted");
        }
    }

    /// <summary>Refuses combinations of fields to which Nix gives no meaning.</summary>
    private static void RequireMeaning(string name, DerivationOutput output, int start)
    {
        if (name.Length == 0) throw Wrong(start, "an output has no name");
        var isMeaningful = output switch
        {
            (_, "", "") => true, // input-addressed or deferred
            (_, "", _) => false,
            (null, _, "") => true, // floating
            (null, _, "impure") => true,
            (not null, _, not ("" or "impure")) => true, // fixed
            _ => false,
        };
        if (!isMeaningful)
        {
            throw Wrong(start, $"path, hash algorithm and hash of the output “{Printable.Replaced(name)}” contradict each other");
        }
    }

    private readonly FormatException Expected(string what) =>
        Wrong(
            position,
            Rest.IsEmpty
                ? $"{what} expected, but it ends there"
                : $"{what} expected, but found “{Printable.Replaced(NixText.GetString(Rest[..Math.Min(Rest.Length, 20)]))}”");

    private static FormatException Wrong(int where, string what) => new($"The derivation is malformed at byte {where}: {what}.");
}
