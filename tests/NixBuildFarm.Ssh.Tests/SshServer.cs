using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security;
using NixBuildFarm.Builders;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Tests;

/// <summary>
/// A real sshd on the loopback device with its own host keys, for one test. Needs root, as sshd does to log somebody in.
/// Everything that it starts is ended by its process id, and its folder is removed.
/// </summary>
internal sealed class SshServer : IAsyncDisposable
{
    private const string Program = "/usr/sbin/sshd";
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("nixbuildfarm-ssh-tests-");
    private readonly string[] settings;
    private Process? process;

    private SshServer(string[] settings)
    {
        this.settings = settings;
        Port = FreePort();
        Key = NewKey("id_ed25519");
        HostKey = NewKey("host_ed25519");
        KnownHosts = Path.Combine(Folder, "known_hosts");
        Authorize(Key);
    }

    public string Folder => folder.FullName;

    public int Port { get; private set; }

    /// <summary>A private key file that may log in.</summary>
    public string Key { get; }

    /// <summary>The server's private host key.</summary>
    public string HostKey { get; private set; }

    /// <summary>The user's known_hosts: empty at first.</summary>
    public string KnownHosts { get; }

    /// <summary>The process id of the listening sshd.</summary>
    public int Pid => process!.Id;

    /// <summary>The server's log.</summary>
    public string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    private string LogFile => Path.Combine(Folder, "log");

    /// <summary>The text TYPE BASE64 of the server's host key.</summary>
    public string HostKeyLine => PublicKey(HostKey);

    /// <summary>What decides how SSH behaves: nothing of the user who runs the tests.</summary>
    public SshEnvironment Environment => new()
    {
        User = "root",
        Home = Folder,
        SshOptions = ["-F", Path.Combine(Folder, "ssh_config")],
    };

    public static async Task<SshServer> StartAsync(params string[] settings)
    {
        Assert.SkipUnless(System.Environment.UserName == "root" && File.Exists(Program), "needs root and sshd");
        var server = new SshServer(settings);
        try
        {
            server.Configure();
            await server.RestartAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public static string PublicKey(string file) => string.Join(' ', File.ReadAllText(file + ".pub").Split(' ')[..2]).Trim();

    public static string Run(string program, params string[] arguments)
    {
        using var run = Process.Start(
            new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = run.StandardError.ReadToEndAsync();
        var output = run.StandardOutput.ReadToEnd();
        run.WaitForExit();
        return run.ExitCode == 0 ? output : throw new InvalidOperationException($"{program}: {error.Result}");
    }

    /// <summary>Makes a key pair in the server's folder.</summary>
    public string NewKey(string name, params string[] arguments)
    {
        var file = Path.Combine(Folder, name);
        Run("ssh-keygen", ["-q", "-f", file, .. arguments.Length > 0 ? arguments : ["-t", "ed25519", "-N", ""]]);
        return file;
    }

    /// <summary>Lets a key log in. Its home is the server's folder: nobody's shell start-up files disturb the tests.</summary>
    public void Authorize(string key) => File.AppendAllText(
        Path.Combine(Folder, "authorized_keys"), $"environment=\"HOME={Folder}\" {File.ReadAllText(key + ".pub").Trim()}\n");

    /// <summary>Lets the key log in with more options of its line [sshd(8)], and no other.</summary>
    public void AuthorizeWith(params string[] options) => File.WriteAllText(
        Path.Combine(Folder, "authorized_keys"),
        $"environment=\"HOME={Folder}\",{string.Join(',', options)} {File.ReadAllText(Key + ".pub").Trim()}\n");

    /// <summary>Lets these keys log in, and no others.</summary>
    public void AuthorizeOnly(params string[] keys)
    {
        File.WriteAllText(Path.Combine(Folder, "authorized_keys"), "");
        foreach (var key in keys) Authorize(key);
    }

    /// <summary>Writes the user's ssh_config: what every test needs, and more.</summary>
    public void Configure(params string[] lines) => File.WriteAllLines(
        Path.Combine(Folder, "ssh_config"),
        [
            .. lines,
            "Host *",
            $"  UserKnownHostsFile {KnownHosts}",
            "  GlobalKnownHostsFile /dev/null",
            $"  IdentityFile {Key}",
            "  IdentityAgent none",
        ]);

    /// <summary>Adds the server's key to the user's known_hosts.</summary>
    public void MakeKnown(string? line = null) =>
        File.AppendAllText(KnownHosts, (line ?? $"[127.0.0.1]:{Port} {HostKeyLine}") + "\n");

    /// <summary>A builder on this server whose “Nix daemon” is a shell command; null: it is that of the login.</summary>
    public NixBuilder Builder(
        string? command = "exec cat", string? hostKey = null, string? identityFile = null, string hostName = "127.0.0.1") =>
        new()
    {
        Name = "ruby",
        HostName = hostName,
        Uri = $"ssh-ng://root@{hostName}:{Port}",
        User = "root",
        Port = Port,
        Systems = ["x86_64-linux"],
        HostKey = hostKey,
        IdentityFile = identityFile,
        // Nix's own --stdio comes after these words: it is the script's first argument.
        RemoteProgram = command is null ? [] : ["sh", "-c", command, "nix-daemon"],
        Source = "/etc/nix/machines line 1",
    };

    /// <summary>A transport to a builder that knows the server's key.</summary>
    public IBuilderTransport Transport(string command = "exec cat", TransportOptions? options = null) =>
        Transport(Builder(command, HostKeyLine), options);

    /// <summary>The same for NARs through SSH.NET as well: a passphrase cannot be given to the ssh program.</summary>
    public IBuilderTransport SshNetTransport(string command = "exec cat", TransportOptions? options = null) =>
        Transport(
            Builder(command, HostKeyLine), (options ?? new TransportOptions { Verbose = Say }) with { KeyPassphrase = new SecureString() });

    public IBuilderTransport Transport(NixBuilder builder, TransportOptions? options = null) =>
        new SshTransport(builder, options ?? new TransportOptions { Verbose = Say }, Environment);

    /// <summary>Starts sshd again, with another host key where one is given.</summary>
    public async Task RestartAsync(string? hostKey = null)
    {
        await StopAsync();
        HostKey = hostKey ?? HostKey;
        File.Delete(LogFile);
        Directory.CreateDirectory("/run/sshd"); // sshd's privilege separation wants it
        var config = Path.Combine(Folder, "sshd_config");
        await File.WriteAllLinesAsync(
            config,
            [
                "ListenAddress 127.0.0.1",
                $"Port {Port}",
                $"HostKey {HostKey}",
                $"AuthorizedKeysFile {Folder}/authorized_keys",
                "PermitUserEnvironment yes",
                "StrictModes no",
                "UsePAM no",
                "PasswordAuthentication no",
                "PidFile none",
                .. settings,
            ]);
        process = Process.Start(new ProcessStartInfo(Program, ["-D", "-E", LogFile, "-f", config]))!;
        // Its log is asked, not its port: a connection would count against MaxStartups for a while.
        await Until.TrueAsync(() => process.HasExited || Log.Contains("Server listening"), "sshd listens");
        Assert.True(!process.HasExited, Log);
    }

    /// <summary>The sshd processes that serve connections, and what they have started.</summary>
    public IReadOnlyList<int> Descendants()
    {
        var children = new List<(int Pid, int Parent)>();
        foreach (var entry in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(entry), out var pid)) continue;
            try
            {
                var fields = File.ReadAllText(Path.Combine(entry, "stat"));
                children.Add((pid, int.Parse(fields[(fields.LastIndexOf(')') + 2)..].Split(' ')[1])));
            }
            catch (IOException)
            {
                // It has ended meanwhile.
            }
        }
        var found = new List<int> { Pid };
        for (var i = 0; i < found.Count; i++) found.AddRange(children.Where(c => c.Parent == found[i]).Select(c => c.Pid));
        return found[1..];
    }

    /// <summary>Sends a signal to the processes that serve connections.</summary>
    public void Signal(string signal)
    {
        foreach (var pid in Descendants()) Kill(signal, pid);
    }

    /// <summary>Greets nobody any more; who connects has to wait.</summary>
    public void Pause() => Kill("STOP", Pid);

    /// <summary>Greets those who wait.</summary>
    public void Continue() => Kill("CONT", Pid);

    /// <summary>Ends sshd and all that it has started.</summary>
    public async Task StopAsync()
    {
        if (process is null) return;
        foreach (var pid in Descendants().Append(Pid)) Kill("KILL", pid);
        await process.WaitForExitAsync();
        process.Dispose();
        process = null;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        folder.Delete(recursive: true);
    }

    private static void Kill(string signal, int pid)
    {
        try
        {
            Run("kill", $"-{signal}", pid.ToString());
        }
        catch (InvalidOperationException)
        {
            // It has ended meanwhile.
        }
    }

    private static void Say(string text) => TestContext.Current.TestOutputHelper?.WriteLine(text);
}
