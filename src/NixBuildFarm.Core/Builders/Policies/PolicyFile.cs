using System.Text.Json;
using System.Text.Json.Serialization;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Builders.Policies;

/// <summary>
/// The user's policies in a JSON file: <c>{ "version": 1, "farm": { … }, "builders": { "ruby": { "maxJobs": 2 } } }</c>.
/// It is replaced as a whole, so that a reader sees the old or the new one; a lock file beside it lets one writer in at a time.
/// A file that is not understood is never overwritten.
/// </summary>
public sealed class PolicyFile
{
    private const string Variable = "XDG_CONFIG_HOME";
    private const int Version = 1;
    private const int LongestFile = 4 * 1024 * 1024;
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(10);

    // Unknown settings are refused: they are a newer version's or a slip of the pen, and writing would lose them.
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter() },
        WriteIndented = true,
        ReadCommentHandling = JsonCommentHandling.Disallow,
    };

    /// <summary>Names the file; it is made with the first change.</summary>
    public PolicyFile(string path) => Path = System.IO.Path.GetFullPath(path);

    /// <summary><c>$XDG_CONFIG_HOME/nixbuildfarm/policy.json</c>, by default in <c>~/.config</c>.</summary>
    /// <exception cref="NixBuildFarmException">The user has no home folder.</exception>
    public static string DefaultPath => System.IO.Path.Combine(UserFolder.Find(Variable, ".config"), "policy.json");

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>Reads the file; empty if there is none.</summary>
    /// <exception cref="NixBuildFarmException">The file cannot be read or understood, or others may write to its folder; the message names
    /// it.</exception>
    public PolicySet Read()
    {
        StateFolder.RequireOwn(System.IO.Path.GetDirectoryName(Path)!, Variable);
        try
        {
            return Parse(ReadBytes());
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return PolicySet.Empty;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException(
                "PolicyFileUnreadable", $"The policies in {Path} cannot be read: {e.Message}", "Make the file readable.", e);
        }
    }

    /// <summary>Changes the file; no change of another process that comes at the same time is lost.</summary>
    /// <param name="change">Makes the new policies of the present ones.</param>
    /// <param name="cancellation">Ends waiting for another writer.</param>
    /// <exception cref="NixBuildFarmException">The file cannot be understood, locked or written; it is as it was.</exception>
    public PolicySet Update(Func<PolicySet, PolicySet> change, CancellationToken cancellation = default)
    {
        try
        {
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Path)!, Private | UnixFileMode.UserExecute);
            StateFolder.RequireOwn(System.IO.Path.GetDirectoryName(Path)!, Variable);
            using var held = Lock(cancellation);
            var changed = change(Read());
            WholeFile.Replace(Path, Serialize(changed), Private);
            return changed;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException(
                "PolicyFileNotWritten", $"The policies in {Path} cannot be changed: {e.Message}",
                "Make the folder writable, or use the scope Session.", e);
        }
    }

    private byte[] ReadBytes()
    {
        using var file = File.OpenRead(Path);
        if (file.Length > LongestFile) throw NotUnderstood($"it is longer than {LongestFile} bytes");
        var bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }

    private PolicySet Parse(byte[] bytes)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes);
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("version", out var version))
            {
                throw NotUnderstood("it has no version");
            }
            if (version.GetInt32() != Version)
            {
                throw new NixBuildFarmException(
                    "PolicyFileNewer", $"The policies in {Path} have version {version}; this NixBuildFarm knows version {Version}.",
                    "Update NixBuildFarm, or move the file away.");
            }
            var content = document.RootElement.Deserialize<Content>(Json)!;
            return new PolicySet(content.Farm ?? BuilderPolicy.Empty, content.Builders ?? []);
        }
        catch (Exception e) when (e is JsonException or ArgumentException or FormatException or InvalidOperationException)
        {
            throw NotUnderstood(e.Message);
        }
    }

    private static byte[] Serialize(PolicySet set) => JsonSerializer.SerializeToUtf8Bytes(
        new Content
        {
            Version = Version,
            Farm = set.FarmWide.IsEmpty ? null : set.FarmWide,
            Builders = set.Builders.Where(b => !b.Value.IsEmpty).ToDictionary(),
        },
        Json);

    /// <summary>Waits for other writers. The system lets go of the lock when its owner ends, however that happens.</summary>
    private FileStream Lock(CancellationToken cancellation)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            UnixCreateMode = Private,
        };
        var deadline = Environment.TickCount64 + (long)LockTimeout.TotalMilliseconds;
        while (true)
        {
            try
            {
                return new FileStream(Path + ".lock", options);
            }
            catch (IOException e) when (e.GetType() == typeof(IOException) && Environment.TickCount64 < deadline)
            {
                cancellation.WaitHandle.WaitOne(Random.Shared.Next(5, 25));
                cancellation.ThrowIfCancellationRequested();
            }
        }
    }

    private NixBuildFarmException NotUnderstood(string reason) => new(
        "PolicyFileCorrupt", $"The policies in {Path} are not understood: {reason}",
        "Correct the file or move it away; it is not overwritten.");

    private sealed class Content
    {
        public int Version { get; init; }

        public BuilderPolicy? Farm { get; init; }

        public Dictionary<string, BuilderPolicy>? Builders { get; init; }
    }
}
