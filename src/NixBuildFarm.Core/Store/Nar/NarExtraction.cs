using System.Text;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Store.Nar;

/// <summary>Makes the files that a NAR's tokens speak of. Takes away what it made unless told to keep it.</summary>
internal sealed class NarExtraction : IDisposable
{
    private const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Executable = Readable | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Stack<string> paths = new();
    private readonly string root;
    private FileStream? file;
    private bool hasMadeRoot;
    private bool isKept;

    public NarExtraction(string path)
    {
        root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        paths.Push(root);
    }

    public void Apply(NarToken token, ReadOnlySpan<byte> payload, bool isExecutable)
    {
        switch (token)
        {
            case NarToken.Directory:
                RequireNothingAt(paths.Peek());
                Directory.CreateDirectory(paths.Peek());
                hasMadeRoot = true;
                break;
            case NarToken.Entry:
                paths.Push($"{paths.Peek()}/{Decode(payload)}");
                break;
            case NarToken.File:
                RequireNothingAt(paths.Peek());
                file = Create(paths.Peek(), isExecutable);
                hasMadeRoot = true;
                break;
            case NarToken.Contents:
                file!.Write(payload);
                break;
            case NarToken.SymbolicLink:
                RequireNothingAt(paths.Peek());
                File.CreateSymbolicLink(paths.Peek(), Decode(payload));
                hasMadeRoot = true;
                break;
            case NarToken.End:
                file?.Dispose();
                file = null;
                paths.Pop();
                break;
        }
    }

    /// <summary>Leaves in place what was made.</summary>
    public void Keep() => isKept = true;

    public void Dispose()
    {
        file?.Dispose();
        if (isKept || !hasMadeRoot) return;
        var directory = new DirectoryInfo(root);
        if (directory.Exists && directory.LinkTarget is null) directory.Delete(recursive: true);
        else File.Delete(root);
    }

    private static FileStream Create(string path, bool isExecutable)
    {
        // Fails where anything exists, links included, and does not follow them (O_CREAT | O_EXCL).
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = isExecutable ? Executable : Readable;
        return new FileStream(path, options);
    }

    // Names of one directory are unique, but a file system that ignores case or normalises Unicode may take two for one,
    // and creating a directory that exists is no error: files would land behind a link of the “same” name.
    private void RequireNothingAt(string path)
    {
        if (!Path.Exists(path) && new FileInfo(path).LinkTarget is null) return;
        if (!hasMadeRoot) throw new IOException($"“{path}” exists already.");
        throw new NixBuildFarmException(
            "NameCollision",
            $"“{path}” exists already: this file system takes two names of the NAR for one.",
            "Extract on a file system that distinguishes case.");
    }

    private static string Decode(ReadOnlySpan<byte> text)
    {
        try
        {
            return StrictUtf8.GetString(text);
        }
        catch (DecoderFallbackException cause)
        {
            throw new NixBuildFarmException(
                "NameNotUtf8",
                $"The NAR has the name “{NixText.Printable(text)}”, which is not UTF-8 and cannot be created from .NET.",
                "Let Nix extract it: nix-store --restore.",
                cause);
        }
    }
}
