namespace NixBuildFarm.Builders;

/// <summary>What the machine of a builder has, and what it does, at one moment; null where it does not tell.</summary>
public sealed record MachineReading
{
    /// <summary>
    /// The script that answers each line of its input with a reading, and ends with its input. For a POSIX shell: constant, without single
    /// quotes and backslashes, so that every login shell passes it on unchanged.
    /// </summary>
    /// <remarks>
    /// A build is a session (setsid) whose leader is a child of a program of Nix and none itself. Its processes are those of the session
    /// and, where a user was set aside for it, those of that user. The shell itself reads what it can: on a small board each program that
    /// is started costs milliseconds.
    /// </remarks>
    public const string Question =
        BuilderMachine.FindPrograms + "LC_ALL=C; export PATH LC_ALL; exec 2>/dev/null; "
        + "ticks=$(getconf CLK_TCK); "
        + "while read -r next; do "
        + AskCores
        + "echo ticks $ticks; "
        + AskLoad
        + "read -r line </proc/stat && echo busy $line; "
        + AskMemory
        + "[ -e /proc/meminfo ] || echo pages $(vm_stat); "
        + "for what in cpu memory io; do read -r line </proc/pressure/$what && echo pressure $what $line; done; "
        + AskStore
        + "for folder in /nix/var/nix/builds \"${TMPDIR:-/tmp}\"; do "
        + "if [ -d \"$folder\" ]; then echo room $(df -Pk \"$folder\"); break; fi; done; "
        + "for folder in /tmp/nix-build-*.drv-*; do "
        + "[ -e \"$folder\" ] && ls -ldn /tmp/nix-build-*.drv-* | head -n 64 | sed \"s/^/folder /\"; break; done; "
        + BuildQuestion + " /proc/[0-9]* | while read -r pid rest; do "
        + "echo build $rest $(tr -c \"#-~\" \" \" < /proc/$pid/environ | grep -oE \"(^| )out=/nix/store/[^ ]*\" | head -n 1); done; "
        + "echo end; done";

    // Fields of stat without the first two: parent 2, session 4, processor times 12 to 15, size 21. Threads of the kernel have no size.
    private const string BuildQuestion =
        "awk -v stat=/stat -v status=/status \"BEGIN { "
        + "for (i = 1; i < ARGC; i++) { "
        + "p = substr(ARGV[i], 7); file = ARGV[i] stat; "
        + "if ((getline s < file) <= 0) continue; close(file); "
        + "nix[p] = s ~ /^[0-9]+ [(]nix/; sub(/.*[)] /, none, s); split(s, w); "
        + "if (w[21] == 0) continue; "
        + "up[p] = w[2]; leader[p] = w[4]; used[p] = w[12] + w[13] + w[14] + w[15]; file = ARGV[i] status; "
        + "while ((getline s < file) > 0) { split(s, w); "
        + "if (s ~ /^Uid:/) uid[p] = w[2]; if (s ~ /^VmRSS:/) { kept[p] = w[2]; break } } close(file) } "
        + "for (p in leader) if (leader[p] == p && nix[p] == 0 && nix[up[p]] == 1) { "
        + "m = t = 0; own = (uid[p] == uid[up[p]]) ? 0 : 1; "
        + "for (q in leader) if (leader[q] == p || (own && uid[q] == uid[p])) { m += kept[q]; t += used[q] } "
        + "print p, uid[p], m, t; if (++n == 64) exit } }\"";

    // What the short question about a machine asks as well.
    internal const string AskCores = "c=$(nproc) || c=$(getconf _NPROCESSORS_ONLN); echo cores $c; ";
    internal const string AskLoad = "read -r line </proc/loadavg || line=$(sysctl -n vm.loadavg); echo load $line; ";
    internal const string AskMemory =
        "m=; while read -r line; do case $line in MemTotal:*) m=$line ;; MemAvailable:*) m=\"$m $line\"; break ;; esac; "
        + "done </proc/meminfo; "
        + "echo memory ${m:-$(sysctl -n hw.memsize)}; ";
    internal const string AskStore = "echo store $(df -Pk /nix/store); ";

    /// <summary>The name of the builder.</summary>
    public string Name { get; init; } = "";

    /// <summary>The cores that the login may use.</summary>
    public int? Cores { get; init; }

    /// <summary>How many processes ran or wanted to, on the average of the last minute.</summary>
    public double? Load { get; init; }

    /// <summary>The time that its processors have worked since it started, all of them together.</summary>
    public TimeSpan? ProcessorTime { get; init; }

    /// <summary>The main memory, in bytes.</summary>
    public long? Memory { get; init; }

    /// <summary>The memory that programs can still get, in bytes.</summary>
    public long? MemoryAvailable { get; init; }

    /// <summary>How much of the last 10 s some process waited for a processor, in percent.</summary>
    public double? CpuPressure { get; init; }

    /// <summary>The same for memory.</summary>
    public double? MemoryPressure { get; init; }

    /// <summary>The same for reading and writing.</summary>
    public double? IoPressure { get; init; }

    /// <summary>The size of the store's file system, in bytes.</summary>
    public long? StoreSize { get; init; }

    /// <summary>Free space of the store's file system, in bytes.</summary>
    public long? StoreFree { get; init; }

    /// <summary>The size of the file system that builds work in, in bytes.</summary>
    public long? BuildSize { get; init; }

    /// <summary>Free space of the file system that builds work in, in bytes.</summary>
    public long? BuildFree { get; init; }

    /// <summary>The builds of Nix that go on, whoever asked for them; as far as the login may see them.</summary>
    public IReadOnlyList<MachineBuild> Builds { get; init; } = [];

    /// <summary>Whether the login is root; asked for by <see cref="BuilderMachine.Question"/> only.</summary>
    internal bool? IsRoot { get; init; }

    /// <summary>Whether nothing is known.</summary>
    internal bool IsEmpty => Cores is null && Load is null && Memory is null && StoreFree is null;
}
