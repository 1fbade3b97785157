using NixBuildFarm.Store;

namespace NixBuildFarm.Sharing;

/// <summary>One compile, as a shim describes it. Nothing of it is to be believed but that the build wants it.</summary>
internal sealed record CompileUnit
{
    private const int SmallestFile = sizeof(uint) + sizeof(ulong) + Sha256Hash.Length + sizeof(uint) + sizeof(ulong);

    /// <summary>The tool, as it was called.</summary>
    public required ReadOnlyMemory<byte> Tool { get; init; }

    /// <summary>The folder where it was called.</summary>
    public required ReadOnlyMemory<byte> Folder { get; init; }

    /// <summary>The digest of the scanned text.</summary>
    public required Sha256Hash Digest { get; init; }

    /// <summary>Whether the messages of the tool go to a terminal, which colours them.</summary>
    public required bool IsOnTerminal { get; init; }

    /// <summary>The environment that counts, each <c>NAME=value</c>.</summary>
    public required IReadOnlyList<ReadOnlyMemory<byte>> Environment { get; init; }

    /// <summary>The arguments, without the tool's own name.</summary>
    public required IReadOnlyList<ReadOnlyMemory<byte>> Arguments { get; init; }

    /// <summary>Which of the arguments names the file that is made; its value is empty.</summary>
    public required int OutputArgument { get; init; }

    /// <summary>The store paths that headers are in.</summary>
    public required IReadOnlyList<StorePath> Headers { get; init; }

    /// <summary>The files outside the store.</summary>
    public required IReadOnlyList<UnitFile> Files { get; init; }

    /// <summary>Reads a description.</summary>
    /// <exception cref="OddFrameException">It is none, or describes more than is shared.</exception>
    public static CompileUnit Read(ReadOnlyMemory<byte> description)
    {
        var reader = new FieldReader(description);
        var tool = reader.ReadText();
        var folder = reader.ReadText();
        if (tool.IsEmpty || !folder.Span.StartsWith("/"u8)) throw new OddFrameException("a compile has no tool, or no folder");
        var digest = reader.ReadHash();
        var isOnTerminal = reader.ReadFlag();
        var environment = ReadTexts(reader);
        var arguments = ReadTexts(reader);
        var output = reader.ReadUInt32();
        if (output >= arguments.Length || !arguments[output].IsEmpty) throw new OddFrameException($"argument {output} is not the name of the output");
        var headers = new StorePath[reader.ReadCount(sizeof(uint))];
        for (var i = 0; i < headers.Length; i++)
        {
            var text = NixText.GetString(reader.ReadText().Span);
            headers[i] = StorePath.TryParse(text, out var path) ? path : throw new OddFrameException($"“{NixText.Printable(text)}” is no store path");
        }
        var files = ReadFiles(reader);
        reader.End();
        return new()
        {
            Tool = tool,
            Folder = folder,
            Digest = digest,
            IsOnTerminal = isOnTerminal,
            Environment = environment,
            Arguments = arguments,
            OutputArgument = (int)output,
            Headers = headers,
            Files = files,
        };
    }

    private static UnitFile[] ReadFiles(FieldReader reader)
    {
        var files = new UnitFile[reader.ReadCount(SmallestFile)];
        if (files.Length > SharingLimits.Files) throw new OddFrameException($"{files.Length} files are more than {SharingLimits.Files}");
        var names = new HashSet<string>();
        var total = 0UL;
        for (var i = 0; i < files.Length; i++)
        {
            var name = reader.ReadText();
            if (name.IsEmpty || !names.Add(Convert.ToHexString(name.Span))) throw new OddFrameException("a file has no name of its own");
            var size = reader.ReadUInt64();
            if (size > SharingLimits.Contents || (total += size) > SharingLimits.Contents) throw new OddFrameException($"its files have more than {SharingLimits.Contents} bytes");
            var hash = reader.ReadHash();
            var isDated = reader.ReadFlag();
            var modified = reader.ReadUInt64();
            files[i] = new(name, (long)size, hash, isDated ? modified : null);
        }
        return files;
    }

    private static ReadOnlyMemory<byte>[] ReadTexts(FieldReader reader)
    {
        var texts = new ReadOnlyMemory<byte>[reader.ReadCount(sizeof(uint))];
        for (var i = 0; i < texts.Length; i++) texts[i] = reader.ReadText();
        return texts;
    }
}

/// <summary>A file that a compile reads and that is not in the store.</summary>
/// <param name="Name">Its name, as the compiler says it.</param>
/// <param name="Size">Its size in bytes.</param>
/// <param name="Hash">The hash of its content.</param>
/// <param name="ModifiedAt">When it was changed, in seconds since 1970, where that counts; null: it does not.</param>
internal sealed record UnitFile(ReadOnlyMemory<byte> Name, long Size, Sha256Hash Hash, ulong? ModifiedAt)
{
    /// <summary>The name of the store paths that hold such files: the same content has the same path, whatever it is called.</summary>
    public const string PathName = "nixbuildfarm-file";

    /// <summary>Where its content is in a store.</summary>
    public StorePath Path => StoreFile.PathOf(PathName, Hash);

    /// <summary>Its content, as a store takes it.</summary>
    public static StoreFile Holding(ReadOnlyMemory<byte> content) => new(PathName, content);
}
