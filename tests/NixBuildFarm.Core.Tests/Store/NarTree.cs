using System.Text;
using CsCheck;

namespace NixBuildFarm.Core.Tests.Store;

/// <summary>
/// A file system tree in memory, with a NAR encoder of its own that the project's code is held against.
/// Names and targets are bytes, written as strings of the characters U+0000 to U+00FF.
/// </summary>
internal abstract record NarTree
{
    public sealed record File(byte[] Contents, bool IsExecutable = false) : NarTree;

    public sealed record Link(string Target) : NarTree;

    public sealed record Folder(params (string Name, NarTree Node)[] Entries) : NarTree;

    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    public static string Utf8(string text) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));

    /// <summary>The NAR as an encoder writes it that trusts its input: entries as they stand.</summary>
    public byte[] Encode()
    {
        var nar = new List<byte>();
        Text("nix-archive-1");
        Node(this);
        return [.. nar];

        void Node(NarTree node)
        {
            Texts("(", "type");
            switch (node)
            {
                case File file:
                    Texts("regular");
                    if (file.IsExecutable) Texts("executable", "");
                    Texts("contents", Encoding.Latin1.GetString(file.Contents));
                    break;
                case Link link:
                    Texts("symlink", "target", link.Target);
                    break;
                case Folder folder:
                    Texts("directory");
                    foreach (var (name, child) in folder.Entries)
                    {
                        Texts("entry", "(", "name", name, "node");
                        Node(child);
                        Texts(")");
                    }
                    break;
            }
            Texts(")");
        }

        void Texts(params string[] texts) => Array.ForEach(texts, Text);

        void Text(string text)
        {
            nar.AddRange(BitConverter.GetBytes((ulong)text.Length));
            nar.AddRange(Bytes(text));
            while (nar.Count % 8 != 0) nar.Add(0);
        }
    }

    /// <summary>Trees with names of any bytes that a NAR may hold.</summary>
    public static Gen<NarTree> Any { get; } = Trees(
        Gen.Char['\u0001', '\u00FF'].Where(c => c != '/')
            .Array[1, 12].Select(chars => new string(chars))
            .Where(name => name is not ("." or "..")));

    /// <summary>Trees that .NET can put on a file system: names are UTF-8.</summary>
    public static Gen<NarTree> Portable { get; } = Trees(
        Gen.OneOf([.. new[] { "a", "b", "B", "z", ".", "-", " ", "é", "\uFB01", "😀", "0" }.Select(Gen.Const)])
            .Array[1, 5].Select(string.Concat)
            .Where(name => name is not ("." or ".."))
            .Select(Utf8));

    private static Gen<NarTree> Trees(Gen<string> names)
    {
        var file = Gen.Select(Gen.Byte.Array[0, 40], Gen.Bool, (contents, executable) => (NarTree)new File(contents, executable));
        var link = names.Select(target => (NarTree)new Link(target));
        return Gen.Recursive<NarTree>((depth, trees) =>
            depth >= 4
                ? file
                : Gen.Frequency(
                    (3, file),
                    (1, link),
                    (3, Gen.Select(names, trees).Array[0, 4].Select(entries => (NarTree)new Folder([.. entries
                        .DistinctBy(entry => entry.Item1)
                        .OrderBy(entry => entry.Item1, StringComparer.Ordinal)
                        .Select(entry => (entry.Item1, entry.Item2))])))));
    }
}
