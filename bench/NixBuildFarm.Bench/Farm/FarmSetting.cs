using System.Diagnostics;
using System.Globalization;

namespace NixBuildFarm.Bench.Farm;

/// <summary>The farm that tests/Farm/with-farm.sh brought up, and the programs that control it.</summary>
internal static class FarmSetting
{
    /// <summary>The user's own settings of ssh on the farm's coordinator.</summary>
    public const string SshConfig = "/root/.ssh/config";

    /// <summary>Builds at a time of each builder.</summary>
    public const int Slots = 2;

    /// <summary>The builder that is faster where a case says so.</summary>
    public const string Fast = "kana";

    /// <summary>The builder that is lost where a case says so.</summary>
    public const string Lost = "ruby";

    /// <summary>Half of what is added to a round trip where a case says so.</summary>
    public static readonly TimeSpan OneWay = TimeSpan.FromMilliseconds(25);

    /// <summary>The builders.</summary>
    public static readonly string[] Builders = ["aquamarine", "ruby", "kana"];

    /// <summary>The lines of a machines list for a case.</summary>
    public static string Machines(FarmCase chosen) => string.Concat(Builders.Select(name => string.Create(
        CultureInfo.InvariantCulture,
        $"ssh-ng://root@{HostName(name, chosen)} x86_64-linux - {Slots} {(name == Fast ? chosen.FastSpeed : 1)} "
            + $"{(chosen.IsContentAddressed ? "ca-derivations" : "-")}\n")));

    /// <summary>What ssh calls a builder in a case.</summary>
    public static string HostName(string builder, FarmCase chosen) => chosen.IsFarAway ? "far-" + builder : builder;

    /// <summary>Has all hosts build what is content-addressed.</summary>
    public static async Task AllowContentAddressedAsync()
    {
        foreach (var host in Builders.Append("coordinator"))
        {
            await RunAsync("farm", ["exec", host, "sh", "-c", "echo 'extra-experimental-features = ca-derivations' >> /etc/nix/nix.conf"]);
        }
        // A daemon reads its file when it starts.
        await RunAsync("farm", ["daemon-kill", "coordinator"]);
        await RunAsync("farm", ["daemon-start", "coordinator"]);
    }

    /// <summary>Runs a program to its end.</summary>
    /// <returns>Whether it succeeded, and what it printed, if its streams are read to their end.</returns>
    public static async Task<(bool Succeeded, string Output)> RunAsync(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, bool streams = true)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        if (!streams)
        {
            // It leaves something behind that would hold them open.
            await process.WaitForExitAsync();
            return (process.ExitCode == 0, "");
        }
        var texts = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode == 0, string.Concat(texts));
    }

    /// <summary>The environment of a session that knows nothing of others.</summary>
    /// <param name="folder">Where it keeps its state.</param>
    public static Dictionary<string, string> StateOfItsOwn(string folder) => new() { ["XDG_STATE_HOME"] = Path.Combine(folder, "state") };

    /// <summary>Logins that a builder's sshd has accepted since it started.</summary>
    public static async Task<int> LoginsAsync()
    {
        var count = 0;
        foreach (var builder in Builders)
        {
            var (_, log) = await RunAsync("farm", ["exec", builder, "sh", "-c", "cat /run/sshd.log 2> /dev/null"]);
            count += log.Split('\n').Count(line => line.Contains("Accepted ", StringComparison.Ordinal));
        }
        return count;
    }
}
