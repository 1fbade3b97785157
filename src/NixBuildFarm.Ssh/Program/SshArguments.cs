using System.Text;
using NixBuildFarm.Builders;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.Connection;
using NixBuildFarm.Ssh.HostKeys;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Program;

/// <summary>The arguments of the ssh processes to a builder, and the files that they name, in a folder that is the user's alone.</summary>
internal sealed class SshArguments : IDisposable
{
    // The name that the builder's own key has in our known_hosts file, whatever host it is.
    private const string PinnedAlias = "nixbuildfarm-builder";

    /// <summary>Bytes that a Unix socket's path may have on all systems, less what ssh adds for a moment while it makes it.</summary>
    private const int LongestSocketPath = 103 - 17;

    private readonly NixBuilder builder;
    private readonly SshConfig config;
    private readonly SshEnvironment environment;
    private readonly TransportOptions options;
    private readonly TimeSpan limit;
    private readonly IReadOnlyList<string> ciphers;
    private readonly object sync = new();
    private readonly Lazy<DirectoryInfo> folder = new(() => Directory.CreateTempSubdirectory("nixbuildfarm-"));
    private int sockets;

    /// <summary>Makes them; no file is written yet.</summary>
    public SshArguments(NixBuilder builder, SshConfig config, SshEnvironment environment, TransportOptions options, TimeSpan limit)
    {
        this.builder = builder;
        this.config = config;
        this.environment = environment;
        this.options = options;
        this.limit = limit;
        ciphers = [.. Algorithms.FastestFirst(config.Ciphers)];
    }

    /// <summary>Of an ssh that runs a command, and nothing else.</summary>
    public IReadOnlyList<string> For(string commandLine, bool compress) => All(["-oControlPath=none"], compress, commandLine);

    /// <summary>Of an ssh that runs a command, and listens to a control socket meanwhile.</summary>
    public IReadOnlyList<string> ForMaster(string commandLine, string controlSocket, bool compress) => All(
        ["-oControlMaster=yes", "-oControlPersist=no", $"-oControlPath={QuoteForConfig(controlSocket)}"], compress, commandLine);

    /// <summary>The path of a new control socket; null: there can be none.</summary>
    public string? NextControlSocket()
    {
        var path = Path.Combine(folder.Value.FullName, $"control{Interlocked.Increment(ref sockets)}");
        return Encoding.UTF8.GetByteCount(path) <= LongestSocketPath ? path : null;
    }

    /// <summary>Deletes the files.</summary>
    public void Dispose()
    {
        lock (sync)
        {
            // Who cleans up the temporary files of a machine may have been faster.
            if (folder.IsValueCreated && Directory.Exists(folder.Value.FullName)) folder.Value.Delete(recursive: true);
        }
    }

    private List<string> All(IEnumerable<string> control, bool compress, string commandLine)
    {
        var alive = Math.Max(1, (int)(options.SilenceTimeout.TotalSeconds / 3));
        List<string> arguments =
        [
            "-T", "-x", "-a",
            "-oBatchMode=yes",
            "-oStrictHostKeyChecking=yes",
            "-oUpdateHostKeys=no",
            "-oClearAllForwardings=yes",
            .. control,
            "-oLogLevel=ERROR",
            $"-oConnectTimeout={Math.Max(1, (int)limit.TotalSeconds)}",
            $"-oServerAliveInterval={alive}",
            "-oServerAliveCountMax=2",
            "-oPermitLocalCommand=yes",
            $"-oLocalCommand=echo {SshProcess.ConnectedMark}",
        ];
        if (HostKeyVerifier.PinnedKey(builder) is not null)
        {
            arguments.AddRange(
            [
                $"-oHostKeyAlias={PinnedAlias}",
                $"-oUserKnownHostsFile={QuoteForConfig(PinnedKeyFile())}",
                "-oGlobalKnownHostsFile=/dev/null",
                "-oKnownHostsCommand=none",
            ]);
        }
        if (builder.IdentityFile is { } identity) arguments.AddRange(["-i", identity]);
        if (compress) arguments.Add("-C");
        if (ciphers.Count > 0) arguments.Add($"-oCiphers={string.Join(',', ciphers)}");
        return [.. SshConfigReader.Arguments(builder, arguments, environment), commandLine];
    }

    private string PinnedKeyFile()
    {
        lock (sync)
        {
            var file = Path.Combine(folder.Value.FullName, "known_hosts");
            if (File.Exists(file)) return file;
            var mode = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) mode.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using var writer = new StreamWriter(file, mode);
            writer.Write($"{PinnedAlias} {builder.HostKey!.Trim()}\n");
            // A revoked key is refused even if the builder's configuration has it.
            var known = KnownHostsFiles.Read(config, sourceFiles: null, options.Verbose ?? (_ => { }));
            foreach (var revoked in known.RevokedKeys(HostKeyVerifier.NameOf(config)))
            {
                writer.Write($"@revoked {PinnedAlias} {revoked.Type} {Convert.ToBase64String(revoked.Bytes)}\n");
            }
            return file;
        }
    }

    // ssh_config(5): words with blanks stand in quotes, and % begins a token.
    private static string QuoteForConfig(string path) => '"' + path.Replace("%", "%%", StringComparison.Ordinal) + '"';
}
