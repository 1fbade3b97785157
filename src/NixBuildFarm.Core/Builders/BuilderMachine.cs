using System.Globalization;

namespace NixBuildFarm.Builders;

/// <summary>
/// The machine of a builder. Nix does not report on it, so a shell script asks the system; null where that does not answer.
/// </summary>
public sealed record BuilderMachine
{
    /// <summary>
    /// The script, for a POSIX shell: constant, without single quotes and backslashes, so that every login shell passes it on unchanged.
    /// <c>nproc</c> respects the limits of the login; Linux has /proc, macOS and the BSDs have sysctl.
    /// </summary>
    public const string Question =
        "PATH=$PATH:/run/current-system/sw/bin:/usr/bin:/bin:/usr/sbin:/sbin; "
        + "echo cores $(nproc || getconf _NPROCESSORS_ONLN); "
        + "echo user $(id -u); "
        + "echo load $(cat /proc/loadavg || sysctl -n vm.loadavg); "
        + "echo memory $(grep MemTotal: /proc/meminfo || sysctl -n hw.memsize); "
        + "echo store $(df -Pk /nix/store); "
        + "exit 0";

    /// <summary>The cores that a login may use.</summary>
    public int? Cores { get; init; }

    /// <summary>Whether the login is root.</summary>
    public bool? IsRoot { get; init; }

    /// <summary>The main memory, in bytes.</summary>
    public long? Memory { get; init; }

    /// <summary>How many processes ran or wanted to, on the average of the last minute.</summary>
    public double? Load { get; init; }

    /// <summary>Free space of the store's file system, in bytes.</summary>
    public long? StoreFree { get; init; }

    /// <summary>Reads an answer; lines that are not of it, such as a greeting, are passed over.</summary>
    internal static BuilderMachine Parse(string answer)
    {
        var machine = new BuilderMachine();
        foreach (var line in answer.Split('\n'))
        {
            var words = line.Split([' ', '\t', '\r', '{', '}'], StringSplitOptions.RemoveEmptyEntries);
            machine = words switch
            {
                ["cores", var count] when int.TryParse(count, CultureInfo.InvariantCulture, out var cores)
                    && cores is > 0 and <= 1_000_000 =>
                    machine with { Cores = cores },
                ["user", var id] when uint.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var user) =>
                    machine with { IsRoot = user == 0 },
                ["load", var load, ..] when double.TryParse(load, CultureInfo.InvariantCulture, out var average)
                    && average is >= 0 and <= 1e9 =>
                    machine with { Load = average },
                ["memory", "MemTotal:", var kilobytes, "kB"] when Size(kilobytes) is { } size and < long.MaxValue / 1024 =>
                    machine with { Memory = size * 1024 },
                ["memory", var bytes] when Size(bytes) is { } size => machine with { Memory = size },
                // A line of headings, then device, size, used, available, used in percent, where.
                ["store", .., _, _, _, var kilobytes, var used, _] when used.EndsWith('%')
                    && Size(kilobytes) is { } size and < long.MaxValue / 1024 =>
                    machine with { StoreFree = size * 1024 },
                _ => machine,
            };
        }
        return machine;

        static long? Size(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var size) ? size : null;
    }
}
