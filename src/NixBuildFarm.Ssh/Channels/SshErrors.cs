using System.Net.Sockets;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.Identities;

namespace NixBuildFarm.Ssh.Channels;

/// <summary>The errors of connecting to one builder over SSH: what happened, and what to do.</summary>
/// <param name="builder">The builder.</param>
/// <param name="config">Where it is, as ssh_config resolves it.</param>
internal sealed class SshErrors(NixBuilder builder, SshConfig config)
{
    private readonly string address = config.HostName;
    private readonly int port = config.Port;
    private readonly string user = config.User;

    /// <summary>The setting of ssh_config that lets another program connect; null: none does.</summary>
    public string? Proxy => config.Proxy;

    private string Host => port == 22 ? address : $"{address} port {port}";

    private string SshCommand => port == 22 ? $"ssh {user}@{address}" : $"ssh -p {port} {user}@{address}";

    /// <summary>The TCP connection could not be made.</summary>
    public BuilderException Unreachable(SocketException cause) => cause.SocketErrorCode switch
    {
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain => Error(
            BuilderFailure.Unreachable,
            $"nobody knows the name “{address}”",
            $"Check the name, or give it an address in ssh_config (Host {builder.HostName}, HostName …) or /etc/hosts.",
            cause),
        SocketError.ConnectionRefused => Error(
            BuilderFailure.Unreachable,
            $"{Host} refuses the connection",
            "Start sshd there, or correct the port.",
            cause),
        SocketError.TimedOut => Error(BuilderFailure.Unreachable, $"{Host} does not answer", IsItUp, cause),
        _ => Error(BuilderFailure.Unreachable, $"{Host} cannot be reached: {cause.Message}", IsItUp, cause),
    };

    /// <summary>Connecting and logging in took too long.</summary>
    public BuilderException TimedOut(TimeSpan limit, string stage) =>
        Error(BuilderFailure.Unreachable, $"{Host} does not answer: {stage} took more than {limit.TotalSeconds:0.#} s", IsItUp);

    /// <summary>The server closes every connection before its greeting.</summary>
    public BuilderException ClosedEarly(Exception cause) => Error(
        BuilderFailure.Unreachable,
        $"{Host} accepts the connection and closes it before the SSH greeting",
        "Too many connections at a time (MaxStartups in its sshd_config), a firewall, or another service on that port.",
        cause);

    /// <summary>The server and SSH.NET have no algorithm in common, or it does not speak SSH 2.</summary>
    public BuilderException NotUnderstood(Exception cause) =>
        Error(
            BuilderFailure.Incompatible,
            $"{Host} and this machine cannot agree on how to speak: {cause.Message}",
            $"Try: {SshCommand} -v",
            cause);

    /// <summary>The login was refused.</summary>
    /// <param name="offered">The keys that the server has refused.</param>
    /// <param name="unused">Key files that could not be used, the builder's own first.</param>
    /// <param name="cause">SSH.NET's exception.</param>
    public BuilderException AuthenticationFailed(
        IReadOnlyCollection<string> offered, IReadOnlyList<KeyProblem> unused, Exception cause) => Error(
        BuilderFailure.AuthenticationFailed,
        $"{Host} refuses to let {user} log in: {cause.Message.TrimEnd('.')}; "
        + (offered.Count == 0 ? "there was no key to offer" : $"offered: {string.Join(", ", offered)}")
        + string.Concat(unused.Select(problem => $"; {problem.Message}")),
        unused is [var first, ..]
            ? $"{first.Advice} Try: {SshCommand}"
            : $"Add the public key to ~/.ssh/authorized_keys of {user} there, or name another key or user. Try: {SshCommand}",
        cause);

    /// <summary>The login was refused, as the ssh program tells it.</summary>
    public BuilderException AuthenticationFailed(string errorOutput) => Error(
        BuilderFailure.AuthenticationFailed,
        $"{Host} refuses to let {user} log in: {errorOutput.TrimEnd('.')}",
        $"Add the public key to ~/.ssh/authorized_keys of {user} there, or name another key or user. Try: {SshCommand}");

    /// <summary>The ssh program could not connect.</summary>
    public BuilderException Unreachable(string errorOutput) =>
        Error(BuilderFailure.Unreachable, $"{Host} cannot be reached: {errorOutput.TrimEnd('.')}", $"{IsItUp} Try: {SshCommand}");

    /// <summary>The ProxyCommand has ended, with these words.</summary>
    public BuilderException ProxyFailed(string words) => Error(
        BuilderFailure.Unreachable,
        $"{Host} cannot be reached: {words.TrimEnd('.')}",
        $"“{Proxy}” of ssh_config printed this: correct what it reports. Try: {SshCommand}");

    /// <summary>The ssh program does not accept the server's host key.</summary>
    public BuilderException HostKeyRefused(string errorOutput) => Error(
        BuilderFailure.HostKeyMismatch,
        $"ssh does not accept the host key of {Host}: {errorOutput.TrimEnd('.')}",
        $"Compare the host key with its owner's, then correct known_hosts or the builder's own host key ({builder.Source})."
        + config.UnfollowedHostKeyCheck);

    /// <summary>The ssh program is needed and not there.</summary>
    public BuilderException NoSshProgram(string reason) => Error(
        BuilderFailure.Configuration, $"the ssh program is needed and cannot be started: {reason}",
        "Install OpenSSH's client on this machine.");

    /// <summary>The server allows no session.</summary>
    public BuilderException NoSession() => Error(
        BuilderFailure.Unreachable,
        $"{Host} lets {user} log in but opens no session",
        "Look at MaxSessions in its sshd_config, and at its authorized_keys.");

    /// <summary>A connection that worked is gone.</summary>
    public BuilderException Lost(string reason, Exception? cause = null) => Error(
        BuilderFailure.ConnectionLost,
        $"the connection to {Host} was lost: {reason.TrimEnd('.')}",
        "Other builders take its work. If it happens often, look at the network and at sshd's log on the builder.",
        cause);

    /// <summary>The ssh program, and the connection with it, has ended.</summary>
    /// <param name="lastWords">What it has said last; empty: nothing.</param>
    /// <param name="cause">What was noticed of it; null: its end alone.</param>
    public BuilderException ProgramLost(string lastWords, Exception? cause = null) =>
        Lost(lastWords.Length > 0 ? lastWords : "ssh ended without a message", cause);

    /// <summary>The server says nothing any more, although it was asked.</summary>
    public BuilderException Silent(TimeSpan limit) => Lost($"no answer for {limit.TotalSeconds:0.#} s");

    /// <summary>Why a remote program has ended without doing its work; null: it has ended as it should, or has said why itself.</summary>
    /// <param name="command">Its command line.</param>
    /// <param name="exitCode">Its exit code.</param>
    /// <param name="errorOutput">Its standard error.</param>
    /// <param name="isUntouched">Whether nothing has come from it.</param>
    public BuilderException? Ended(string command, int exitCode, string errorOutput, bool isUntouched)
    {
        if (exitCode == 0) return null;
        // Not every shell says 127.
        if (exitCode is 126 or 127 || (isUntouched && Says("not found"))) return NoNix(command, exitCode, errorOutput);
        if (!isUntouched) return null;
        return Says("protocol mismatch") ? OldProtocolOnly(command)
            : Says("daemon-socket") || Says("connect to the Nix daemon") ? DaemonStopped(errorOutput)
            : null;

        bool Says(string words) => errorOutput.Contains(words, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>The same of one whose channel the server has closed, with what it tells of its end.</summary>
    /// <param name="command">Its command line.</param>
    /// <param name="signal">The signal that has ended it; null: none.</param>
    /// <param name="exitCode">Its exit code; null: it has none.</param>
    /// <param name="errorOutput">Its standard error.</param>
    /// <param name="isUntouched">Whether nothing has come from it.</param>
    public BuilderException? Ended(string command, string? signal, int? exitCode, string errorOutput, bool isUntouched) =>
        signal is not null ? Killed(command, signal)
        : exitCode is { } code ? Ended(command, code, errorOutput, isUntouched)
        : Lost("the channel was closed while its program ran");

    /// <summary>The daemon closes its socket without a word.</summary>
    public BuilderException DaemonHangsUp(string socket) => Error(
        BuilderFailure.NoNix,
        $"the Nix daemon of {address} takes no connection of {user} at {socket}",
        "Look at allowed-users in its nix.conf, and at the log of its nix-daemon.");

    private BuilderException DaemonStopped(string errorOutput) => Error(
        BuilderFailure.Unreachable,
        $"the Nix daemon of {address} does not run: {errorOutput.TrimEnd('.')}",
        "Start it there: systemctl start nix-daemon.socket, on macOS: launchctl kickstart -k system/org.nixos.nix-daemon (as root).");

    private BuilderException OldProtocolOnly(string command) => Error(
        BuilderFailure.Incompatible,
        $"{address} runs “nix-store --serve” in place of “{command}”, and that protocol is too old to build with",
        $"The login of {user} has a forced command there. NixOS: nix.sshServe.protocol = \"ssh-ng\" and nix.sshServe.write = true; "
        + "else let ForceCommand of its sshd_config, or command= of its authorized_keys, run “nix-daemon --stdio”.");

    private BuilderException NoNix(string command, int exitCode, string errorOutput) => Error(
        BuilderFailure.NoNix,
        $"“{command}” does not run on {address} (exit code {exitCode}{(errorOutput.Length == 0 ? "" : ": " + errorOutput)})",
        $"Install Nix there, see that the PATH of a non-interactive login has nix-daemon ({SshCommand} nix-daemon --version), "
        + "or give the builder's URI the parameter remote-program=/path/to/nix-daemon.");

    /// <summary>The remote program was killed.</summary>
    private BuilderException Killed(string command, string signal) => Error(
        BuilderFailure.ConnectionLost,
        $"“{command}” on {address} was ended by signal {signal}",
        "Look at the log of the builder: the kernel ends programs when memory runs out.");

    private static string IsItUp => "See whether the machine is up and no firewall is in between.";

    private BuilderException Error(BuilderFailure failure, string message, string recommendation, Exception? cause = null) =>
        new(builder.Name, failure, $"Builder {builder.Name}: {message}.", recommendation, cause);
}
