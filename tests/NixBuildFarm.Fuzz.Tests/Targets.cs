using System.Buffers.Binary;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Serving;
using NixBuildFarm.Serving.Control;
using NixBuildFarm.Sharing;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.HostKeys;
using NixBuildFarm.Ssh.Identities;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Store.Nar;
using NixBuildFarm.Text;
using NixBuildFarm.Toml;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Fuzz.Tests;

/// <summary>Every parser that reads what others have written.</summary>
internal static class Targets
{
    private const string Path = "/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y-a";
    private const string Hash = "0000000000000000000000000000000000000000000000000000000000000000";
    private const ulong Last = 0x616c7473;

    private const string HostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEzG3g9Tb0yYx1oI1t8cC5kUqD0aQ2mUo3rX0N9rJm1w root@ruby";

    private static readonly NixBuilder Local = new()
    {
        Name = "local", HostName = "localhost", Uri = "auto", Scheme = StoreScheme.Local, Systems = ["x86_64-linux"], MaxJobs = 2,
        Source = "nix.conf",
    };

    private static readonly SshEnvironment Environment = new() { User = "me", Home = "/home/me", Variable = _ => null };

    public static IReadOnlyList<Target> All { get; } =
    [
        new("greeting of a daemon", [Greeting], input => Converse(input, (_, _) => Task.CompletedTask), IsOurs),
        new(
            "messages and result of a build",
            [
                [
                    .. Greeting,
                    .. Wire(
                        0x53545254UL,
                        1,
                        3,
                        105,
                        "building",
                        1,
                        1,
                        "x",
                        0,
                        0x52534c54UL,
                        1,
                        101,
                        1,
                        1,
                        "a line",
                        0x53544f50UL,
                        1,
                        Last,
                        1,
                        Path + ".drv!*",
                        0,
                        "",
                        1,
                        0,
                        0,
                        0,
                        0,
                        0,
                        0),
                ],
                [
                    .. Greeting,
                    .. Wire(
                        0x52534c54UL,
                        1,
                        101,
                        1,
                        1,
                        new string('x', 70_000),
                        0x6f6c6d67UL,
                        new string('y', 70_000),
                        Last,
                        1,
                        Path + ".drv!*",
                        3,
                        new string('z', 70_000),
                        1,
                        0,
                        0,
                        0,
                        0,
                        0,
                        0),
                ],
            ],
            input =>
                Converse(
                    input,
                    (daemon, stop) =>
                        daemon.BuildPathsWithResultsAsync(
                            [DerivedPath.AllOutputs(StorePath.Parse(Path + ".drv"))], BuildMode.Normal, _ => { }, stop)),
            IsOurs),
        new("requests of a client", [ClientAsks], input => Serve(input, DaemonAnswers, isTrusted: true), IsOursOrWire),
        new("uploads of a client", [ClientUploads], input => Serve(input, DaemonTakes, isTrusted: true), IsOursOrWire),
        new("uploads of a client that is not trusted", [ClientUploads], input => Serve(input, DaemonTakes, isTrusted: false), IsOursOrWire),
        new("answers of the daemon behind a front", [DaemonAnswers], input => Serve(ClientAsks, input, isTrusted: true), IsOursOrWire),
        new(
            "requests on the control socket of a farm",
            [.. Texts("""{"status":true}""" + "\n", """{"build":{"derivations":["/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y-a.drv!*"],"named":["a"],"settings":{"keepGoing":true},"isDetached":true}}""" + "\n")],
            ReadControl,
            IsOursOrWire),
        new(
            "a refusal",
            [[.. Greeting, .. Wire(0x63787470UL, "Error", 0, "Error", "no", 0, 1, 0, "trace")]],
            input => Converse(input, async (daemon, stop) =>
            {
                try
                {
                    await daemon.EnsurePathAsync(StorePath.Parse(Path), stop);
                }
                catch (DaemonException)
                {
                    // That is what it is about.
                }
            }),
            IsOurs),
        new(
            "path infos",
            [[.. Greeting, .. Wire(Last, 1, "", Hash, 1, Path, 0, 96, 0, 1, "key-1:AAAA", "text:sha256:x")]],
            input => Converse(input, (daemon, stop) => daemon.QueryPathInfoAsync(StorePath.Parse(Path), stop)),
            IsOurs),
        new(
            "what is missing, and outputs",
            [[.. Greeting, .. Wire(Last, 1, Path, 1, Path, 0, 10, 10, Last, 1, "out", Path)]],
            input => Converse(input, async (daemon, stop) =>
            {
                await daemon.QueryMissingAsync([], stop);
                await daemon.QueryDerivationOutputMapAsync(StorePath.Parse(Path), stop);
            }),
            IsOurs),
        new(
            "NAR",
            [Nar],
            input => NarReader.CopyAsync(new MemoryStream(input), Stream.Null, CancellationToken.None).GetAwaiter().GetResult(),
            e => e is NarException),
        new(
            "derivation",
            [.. Texts(
                $$"""Derive([("out","{{Path}}","","")],[("{{Path}}.drv",["dev","out"])],["{{Path}}"],"x86_64-linux","/bin/sh",["-c","a \"b\"\n"],[("name","a"),("out","{{Path}}")])""",
                """Derive([("out","","r:sha256","")],[],[],"x86_64-linux","/bin/sh",[],[("__json","{\"name\":\"a\",\"requiredSystemFeatures\":[\"kvm\"]}")])""")],
            ReadDerivation,
            e => e is FormatException),
        new(
            "machines list",
            [.. Texts(
                "ssh-ng://root@ruby:22?compress=1 x86_64-linux,riscv64-linux /key 3 2.5 kvm,big-parallel - "
                    + $"{Convert.ToBase64String(Encoding.UTF8.GetBytes(HostKey))}\n# a comment\nkana - - 2; @/more\n",
                "version = 1\n[machines.ruby]\nuri = \"ssh-ng://ruby\"\nsystem-types = [\"x86_64-linux\"]\njobs = 2\nspeed-factor = "
                    + "1.5\nenable = true\n")],
            ReadMachines,
            _ => false),
        new(
            "store URI",
            [
                .. Texts(
                    "ssh-ng://me@[::1]:2222?ssh-key=/k&max-connections=3",
                    "ruby",
                    "ssh://ruby?base64-ssh-public-host-key=" + Convert.ToBase64String(Encoding.UTF8.GetBytes(HostKey))),
            ],
            ReadUri,
            IsOurs),
        new(
            "policy",
            [.. Texts("""{"version":1,"builders":{"ruby":{"maxJobs":3,"enabled":false}}}""")],
            ReadPolicy,
            IsOurs),
        new("settings of Nix", [.. Texts("""{"system":{"value":"x86_64-linux"},"max-jobs":{"value":"auto"},"builders":{"value":"@/etc/nix/machines"},"cores":{"value":0}}""")], input => NixConfiguration.Parse(Text(input), 4), IsOurs),
        new(
            "holders of slots",
            [
                .. Texts("now 1795995743\nheld 1795995740 -rw-r--r-- 1 eve users 0 Nov 29 10:00 /tmp/nixbuildfarm-slots/held,1,77,pearl,"
                    + "20261129-101112-beef\n"),
            ],
            input => Assert.All(
                SlotHolder.Parse(Text(input), DateTimeOffset.UnixEpoch),
                holder => Assert.True(holder.Slot is >= 1 and <= SlotScript.Most && holder.Since <= DateTimeOffset.UnixEpoch)),
            _ => false),
        new(
            "a machine's answer",
            [
                .. Texts("cores 8\nload 0.5 0.4 0.3 1/200 99\nmemory MemTotal: 8000000 kB\nstore Filesystem 1024-blocks Used Available "
                    + "Capacity Mounted on /dev/sda 100 50 50 50% /nix\n"),
            ],
            input => BuilderMachine.Parse(Text(input)),
            _ => false),
        new(
            "readings of a machine",
            [
                .. Texts("cores 2\nticks 100\nload 0.06 0.59 0.70 1/207 12027\nbusy cpu 10 0 5 900 3 0 1 0 0 0\n"
                    + "memory MemTotal: 24684096 kB MemAvailable: 21691416 kB\npages\n"
                    + "pressure cpu some avg10=0.00 avg60=0.04 avg300=3.64 total=90278941 full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
                    + "store Filesystem 1024-blocks Used Available Capacity Mounted on /dev/vda 264212084 15765292 81012680 17% /\n"
                    + "room Filesystem 1024-blocks Used Available Capacity Mounted on /dev/vda 264212084 15765292 81012680 17% /tmp\n"
                    + "folder drwx------ 3 30001 30000 4096 Nov 29 22:56 /tmp/nix-build-hello-2.12.drv-0\nbuild 30001 4096 12\n"
                    + "build 0 22072 578 out=/nix/store/pq04w64ic3bg7k9bzh38ng9wi0adiyjx-program\nend\n"),
                .. Texts("cores 10\nload { 2.10 1.80 1.70 }\nmemory 17179869184\n"
                    + "pages Mach Virtual Memory Statistics: (page size of 16384 bytes) "
                    + "Pages free: 3632. Pages active: 200. Pages inactive: 300. Pages speculative: 5.\nend\n"),
            ],
            input => ReadMachine(Text(input)),
            _ => false),
        new(
            "times of builds by their logs",
            [.. Texts("1796014300.25 1796014391.75 ./iy/lhv1jiapks1396jz2fv8wq85q68y6y-hello-2.12.drv.bz2\n"
                + "1796014300 1796014391 ./iy/lhv1jiapks1396jz2fv8wq85q68y6y-gcc-14.3.0.drv\n")],
            input => ReadBuilds(LoggedBuilds.Of(BuildTimes.Parse(Text(input)), Local, DateTimeOffset.MaxValue.AddDays(-1))),
            _ => false),
        new(
            "build reports of nix-output-monitor",
            [.. Texts("hostname,derivation name,utc time,build seconds\n,llvm,2026-11-29 10:20:30,1234\n"
                + "ssh://root@ruby,gcc,2026-11-29 10:20:30,56\n")],
            input => ReadBuilds(NixOutputMonitorReports.Read(Text(input).Split('\n'), new([Local]), DateTimeOffset.MaxValue.AddDays(-1))),
            _ => false),
        new(
            "known_hosts",
            [
                .. Texts($"ruby,10.0.0.1 {HostKey}\n@cert-authority *.example "
                    + $"{HostKey}\n|1|AAAAAAAAAAAAAAAAAAAAAAAAAAA=|AAAAAAAAAAAAAAAAAAAAAAAAAAA= {HostKey}\n[h]:2222 {HostKey}\n@revoked * "
                    + $"{HostKey}\n"),
            ],
            input => KnownHosts.Parse([("known_hosts", Text(input))]),
            _ => false),
        new(
            "output of ssh -G",
            [
                .. Texts("host ruby\nuser root\nhostname 10.0.0.1\nport 22\nidentityfile ~/.ssh/id_ed25519\nuserknownhostsfile "
                    + "~/.ssh/known_hosts /etc/k\nproxyjump none\n"),
            ],
            ReadSshConfig,
            IsOurs),
        new("private key's header", [.. Texts("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQAAACBMxt4PU29MmMdaCNbfHAuZFKg9GkNplKN619DfayZtcA==\n-----END OPENSSH PRIVATE KEY-----\n")], input => OpenSshKeyHeader.Read(Text(input)), _ => false),
        new("a run in the history", [RunAsJson()], ReadRun, e => e is JsonException or InvalidDataException),
        new("text for a terminal", [.. Texts("\u001b]0;title\u0007\u001b[31mred\u001b[0m plain\ttab")], ReadTerminalText, _ => false),
        new("description of a compile", [Unit()], ReadUnit, e => e is OddFrameException),
        new("what a shim says", [[.. Frame(FrameKind.Hello, "cc1", "a.c", ""), .. Frame(FrameKind.Unit, 1, Unit()),
            .. Frame(FrameKind.Content, 0, 1, 'x'), .. Frame(FrameKind.Closed)]], Talk, e => e is OddFrameException),
        new("output of a compile", [Compiled], ReadCompiled, e => e is OddFrameException or NarException),
        new("store path and derived path", [.. Texts(Path, Path + ".drv!out,dev", Path + ".drv!*")], ReadDerivedPath, _ => false),
    ];

    private static byte[] Greeting => Wire(0x6478696fUL, (1 << 8) | 37, "2.99", 1, Last);

    private static byte[] Nar => Wire(
        "nix-archive-1", "(", "type", "directory", "entry", "(", "name", "a", "node", "(", "type", "regular", "executable", "", "contents",
        "text of a file", ")", ")",
        "entry", "(", "name", "b", "node", "(", "type", "symlink", "target", "../elsewhere", ")", ")", ")");

    /// <summary>A client greets, gives settings, adds a path, asks for paths and a NAR, builds.</summary>
    private static byte[] ClientAsks =>
    [
        .. Wire(0x6e697863UL, (1 << 8) | 37, 0, 0, 19, 0, 1, 0, 3, 1, 60, 1, 0, 0, 0, 2, 1, 1, "timeout", "9"),
        .. Wire(39, Path, "", Hash, 1, Path, 1, 100, 1, 1, "k:s", "", 1, 1, 8, "", 0, 11, Path, 26, Path, 40, 1, Path + ".drv!*", 38, Path),
        .. Wire(
            46,
            1,
            Path + ".drv!out",
            0,
            36,
            Path + ".drv",
            1,
            "out",
            Path,
            "",
            "",
            1,
            Path,
            "x86_64-linux",
            "/bin/sh",
            1,
            "-c",
            1,
            "a",
            "b",
            0),
    ];

    /// <summary>The daemon greets, and answers that.</summary>
    private static byte[] DaemonAnswers =>
    [
        .. Greeting,
        .. Wire(Last, Last, Last, 1, Last, 1, "", Hash, 0, 1, 1, 1, 0, "", Last, 1, Path, 0, 0, 1, 1, Last),
        .. Nar,
        .. Wire(Last, 1, Path + ".drv!out", 0, "", 1, 0, 0, 0, 0, 0, 0, Last, 2, "", 1, 0, 0, 0, 0, 0, 0),
    ];

    /// <summary>A client greets, and sends what has a body; builds what is in the store.</summary>
    private static byte[] ClientUploads => Wire(
        0x6e697863UL, (1 << 8) | 37, 0, 0, 7, "n", "fixed:r:sha256", 0, 0, 8, "", 0, 44, 0, 1, 8, "", 0, 39, Path, "", Hash, 0, 1, 100, 1,
        0, "", 1, 1, 8, "", 0, 9, 1, Path, 0);

    private static byte[] DaemonTakes => [.. Greeting, .. Wire(Last, Path, "", Hash, 0, 1, 1, 1, 0, "", Last, Last, Last, 1)];

    private static byte[] Compiled => Wire(
        "nix-archive-1", "(", "type", "directory", "entry", "(", "name", "err", "node", "(", "type",
            "regular", "contents", "note", ")", ")",
        "entry", "(", "name", "out", "node", "(", "type", "regular", "contents", ".text", ")", ")",
        "entry", "(", "name", "rc", "node", "(", "type", "regular", "contents", "0", ")", ")",
        "entry", "(", "name", "time", "node", "(", "type", "regular", "contents", "1200", ")", ")", ")");

    private static bool IsOurs(Exception e) => e is NixBuildFarmException;

    private static bool IsOursOrWire(Exception e) => e is NixBuildFarmException or WireException;

    private static string Text(byte[] input) => Encoding.UTF8.GetString(input);

    private static IEnumerable<byte[]> Texts(params string[] texts) => texts.Select(Encoding.UTF8.GetBytes);

    /// <summary>Words of the protocol: numbers, and texts with their lengths and padding.</summary>
    private static byte[] Wire(params object[] words)
    {
        var bytes = new List<byte>();
        foreach (var word in words)
        {
            var number = new byte[8];
            var text = word is string s ? Encoding.UTF8.GetBytes(s) : [];
            BinaryPrimitives.WriteUInt64LittleEndian(number, word is string ? (ulong)text.Length : Convert.ToUInt64(word, null));
            bytes.AddRange(number);
            bytes.AddRange(text);
            bytes.AddRange(new byte[(8 - (text.Length % 8)) % 8]);
        }
        return [.. bytes];
    }

    /// <summary>Talks with a daemon that says these bytes, whatever it is asked.</summary>
    private static void Converse(byte[] said, Func<DaemonConnection, CancellationToken, Task> talk)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        TalkAsync().GetAwaiter().GetResult();

        async Task TalkAsync()
        {
            await using var daemon = await DaemonConnection.OpenAsync(
                new DuplexStream(new MemoryStream(said), Stream.Null), new() { Builder = "ruby" }, limit.Token);
            await talk(daemon, limit.Token);
        }
    }

    /// <summary>
    /// Serves a client that says so much, with a daemon behind that says so much, and a farm that builds everything at once.
    /// </summary>
    private static void Serve(byte[] client, byte[] daemon, bool isTrusted)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        ServeAsync().GetAwaiter().GetResult();

        async Task ServeAsync()
        {
            var farm = new FrontStandIn(daemon);
            await using var session = new ClientSession(new DuplexStream(new MemoryStream(client), Stream.Null), farm, farm, isTrusted);
            await session.ServeAsync(limit.Token);
        }
    }

    private static void ReadControl(byte[] input)
    {
        var connection = new ControlConnection(new MemoryStream(input));
        while (connection.ReadAsync<ControlRequest>(CancellationToken.None).GetAwaiter().GetResult() is not null)
        {
            // Whatever it asks.
        }
    }

    private static byte[] Unit() => new FieldWriter()
        .Text("/nix/store/x/cc1"u8).Text("/build"u8).Hash(default).UInt32(1)
        .UInt32(1).Text("LC_ALL=C"u8)
        .UInt32(2).Text("a.c"u8).Text(""u8).UInt32(1)
        .UInt32(1).Text(Encoding.UTF8.GetBytes(Path))
        .UInt32(2).Text("a.c"u8).UInt64(1).Hash(new(SHA256.HashData("x"u8))).UInt32(1).UInt64(7).Text(
            "b.h"u8).UInt64(0).Hash(default).UInt32(0).UInt64(0)
        .ToArray();

    private static byte[] Frame(FrameKind kind, params object[] fields)
    {
        var writer = new FieldWriter();
        var rest = Array.Empty<byte>();
        foreach (var field in fields)
        {
            if (field is string text) writer.Text(Encoding.UTF8.GetBytes(text));
            else if (field is int number) writer.UInt32((uint)number);
            else rest = field as byte[] ?? [(byte)(char)field];
        }
        var frame = new BrokerFrame(1, kind, (byte[])[.. writer.ToArray(), .. rest]);
        return [.. frame.Header(), .. frame.Payload.Span];
    }

    /// <summary>A unit that is read gives a derivation that reads its files, its headers and the compiler alone.</summary>
    private static void ReadUnit(byte[] input)
    {
        var unit = CompileUnit.Read(input);
        Assert.InRange(unit.OutputArgument, 0, unit.Arguments.Count - 1);
        Assert.InRange(unit.Files.Sum(file => file.Size), 0, SharingLimits.Contents);
        var shim = StorePath.Parse(Path);
        var stand = new NarTree.Folder(new Dictionary<string, NarTree> { ["cc1"] = new NarTree.Link("x") });
        var folder = new NarTree.Folder(new Dictionary<string, NarTree> { ["folder"] = new NarTree.File("libexec/gcc/x/1"u8.ToArray()),
            ["shadow"] = stand });
        var compile = CompileDerivation.Of(unit, "main.c", CompilerTool.C,
            new("x86_64-linux", shim, shim, CompilerFolder.Verified(shim, shim, folder)), unit.Headers.ToHashSet());
        Assert.Equal(compile.Files.Concat(unit.Headers).Append(shim)
            .Append(compile.Manifest.Path).Distinct().Order(), compile.Derivation.Basic.InputPaths);
        Assert.Equal($"{Path}/libexec/gcc/x/1/cc1", compile.Derivation.Basic.Environment["tool"]);
    }

    /// <summary>Frames as a broker passes them on, answered as far as they can be.</summary>
    private static void Talk(byte[] input)
    {
        ShimTalk? talk = null;
        for (var rest = input.AsMemory(); rest.Length >= BrokerFrame.HeaderSize;)
        {
            var frame = BrokerFrame.ReadHeader(rest.Span[..BrokerFrame.HeaderSize], out var length);
            rest = rest[BrokerFrame.HeaderSize..];
            length = Math.Min(length, rest.Length);
            frame = frame with { Payload = rest[..length] };
            rest = rest[length..];
            if (talk is null)
            {
                talk = ShimTalk.Begin(frame);
                talk.Describe();
                continue;
            }
            switch (talk.Take(frame))
            {
                case ShimNews.Described described: talk.Send([.. described.Unit.Files.Select((_, index) => index).Take(1)]); break;
                case ShimNews.Odd: talk.CompileHere(); break;
            }
        }
    }

    private static void ReadCompiled(byte[] input)
    {
        var reader = new NarTree.Reader(1 << 20);
        reader.Take(input);
        CompileResult.Of(reader.Root);
    }

    /// <summary>What is taken is what Nix would have written: the same bytes come out again.</summary>
    private static void ReadDerivation(byte[] input) => Assert.Equal(input, DerivationWriter.Write(Derivation.Parse(input)));

    /// <summary>No name of a machine, a user or a file may be taken for an option by what it is handed to.</summary>
    private static void ReadMachines(byte[] input)
    {
        foreach (var builder in MachineList.Parse(Text(input), "/etc/nix/machines", Local, _ => null, TomlMachineList.Read).Builders)
        {
            AssertHarmless(builder.HostName, builder.User);
        }
    }

    /// <summary>Whatever is told of builds, it can have been, and estimates make sense of it.</summary>
    private static void ReadBuilds(IReadOnlyList<BuildObservation> builds)
    {
        var estimator = new Estimator();
        foreach (var build in builds)
        {
            Assert.InRange(build.Seconds, 1e-3, 1e7);
            Assert.DoesNotContain(build.Package + build.Builder, letter => letter is < ' ' or > '~');
            var job = new Job { Name = build.Package, System = build.System };
            estimator.Observe(build, job);
            Assert.InRange(estimator.For(job).Seconds, 1e-4, 1e8);
        }
    }

    /// <summary>Whatever a machine tells, nothing of it is out of its range.</summary>
    private static void ReadMachine(string answer)
    {
        var reading = MachineReadingParser.Parse(answer);
        Assert.InRange(reading.Builds.Count, 0, MachineReadingParser.MostBuilds);
        Assert.All(reading.Builds, build => Assert.True(build.Memory >= 0 && build.ProcessorTime >= TimeSpan.Zero));
        Assert.All(
            new[] { reading.CpuPressure, reading.MemoryPressure, reading.IoPressure },
            pressure => Assert.True(pressure is null or (>= 0 and <= 100)));
        Assert.All(
            new[] { reading.Memory, reading.MemoryAvailable, reading.StoreSize, reading.StoreFree, reading.BuildFree },
            size => Assert.True(size is null or >= 0));
        Assert.True(reading.Load is null or (>= 0 and <= 1e9));
    }

    private static void ReadUri(byte[] input)
    {
        var uri = BuilderUri.Parse(Text(input));
        AssertHarmless(uri.Host, uri.User);
    }

    private static void AssertHarmless(params string?[] words)
    {
        foreach (var word in words.OfType<string>())
        {
            Assert.False(word.StartsWith('-'), word);
            Assert.DoesNotContain(word, letter => char.IsWhiteSpace(letter) || char.IsControl(letter));
        }
    }

    private static void ReadDerivedPath(byte[] input)
    {
        if (DerivedPath.TryParse(Text(input), out var path)) Assert.Equal(Text(input), path.ToString());
    }

    private static void ReadPolicy(byte[] input)
    {
        var folder = Directory.CreateTempSubdirectory("nixbuildfarm-fuzz-").FullName;
        try
        {
            var file = System.IO.Path.Combine(folder, "policy.json");
            File.WriteAllBytes(file, input);
            new PolicyFile(file).Read();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void ReadSshConfig(byte[] input)
    {
        var config = SshConfig.Parse(Text(input), "ruby", Environment);
        _ = (config.HostName, config.Port, config.User, config.NeedsSshProgram);
    }

    private static byte[] RunAsJson()
    {
        var run = new RunRecord
        {
            Id = "20250101-000000-00aa", Started = DateTimeOffset.UnixEpoch, Ended = DateTimeOffset.UnixEpoch, State = RunState.Succeeded,
            Requested = ["a"], Farm = [], Jobs = [],
        };
        using var json = new MemoryStream();
        using (var gzip = new GZipStream(new MemoryStream(RunRecordFormat.Pack(run)), CompressionMode.Decompress)) gzip.CopyTo(json);
        return json.ToArray();
    }

    private static void ReadRun(byte[] input)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest)) gzip.Write(input);
        RunRecordFormat.Unpack(packed.ToArray());
    }

    private static void ReadTerminalText(byte[] input) =>
        Assert.DoesNotContain(TerminalText.Strip(Text(input)), letter => char.IsControl(letter) && letter is not ('\t' or '\n'));
}
