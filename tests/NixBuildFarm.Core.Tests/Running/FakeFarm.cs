using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using NixBuildFarm.Builders;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Sessions;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Planning;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Running;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>
/// A farm in this process: each machine a fake daemon with a store of its own, and derivations that are nowhere but here.
/// </summary>
internal sealed class FakeFarm : IBuilderTransportFactory, IDerivationSource, IBuildObserver, IDisposable
{
    /// <summary>The name of a machine that gets a job before others do.</summary>
    public const string Fastest = "evil";

    private readonly Dictionary<string, FakeMachine> machines = [];
    private readonly Dictionary<StorePath, Derivation> derivations = [];
    private readonly HashSet<StorePath> collected = [];
    private readonly Dictionary<string, DerivationFile> files = [];
    private readonly string logs = Directory.CreateTempSubdirectory("nixbuildfarm-run-").FullName;

    public FakeFarm(params IEnumerable<string> names)
    {
        foreach (var name in names.Prepend(NixBuilder.LocalName))
        {
            machines.Add(name, new FakeMachine(name) { SpeedFactor = name == Fastest ? 50 : 1 });
        }
    }

    public FakeMachine Local => machines[NixBuilder.LocalName];

    public FakeMachine this[string name] => machines[name];

    /// <summary>What earlier runs have taught.</summary>
    public IRunHistory History { get; init; } = NoHistory.Instance;

    /// <summary>Is told all news as well; null: nobody is.</summary>
    public IBuildObserver? Also { get; init; }

    /// <summary>The clock of runs; null: the machine's.</summary>
    public TimeProvider? Time { get; init; }

    public ConcurrentQueue<NixBuildResult> Results { get; } = new();

    public ConcurrentQueue<(string Builder, NixBuildFarmException Error)> LostBuilders { get; } = new();

    public ConcurrentQueue<string> Warnings { get; } = new();

    /// <summary>What was decided, in words.</summary>
    public ConcurrentQueue<string> Decisions { get; } = new();

    /// <summary>The connections to all machines.</summary>
    public IEnumerable<WeakReference> Opened => machines.Values.SelectMany(machine => machine.Opened);

    /// <summary>What builds have printed, as it is shown.</summary>
    public ConcurrentQueue<string> Lines { get; } = new();

    /// <summary>A derivation with one output.</summary>
    public StorePath Derivation(
        string name,
        IEnumerable<StorePath>? inputs = null,
        IReadOnlyDictionary<string,
        string>? environment = null,
        string system = "x86_64-linux",
        IReadOnlyList<StorePath>? sources = null)
    {
        var path = FakeStore.PathOf(name + ".drv");
        derivations.Add(path, new()
        {
            Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(OutputOf(name), "", "") },
            InputDerivations = (inputs ?? []).ToDictionary(input => input, _ => (IReadOnlyList<string>)["out"]),
            InputSources = sources ?? [],
            System = system,
            Builder = "/bin/sh",
            Arguments = [],
            Environment = environment ?? new Dictionary<string, string>(),
        });
        Register(path, [.. inputs ?? [], .. sources ?? []], OutputOf(name));
        return path;
    }

    /// <summary>A derivation whose output path is known only after the build, since it follows from the content.</summary>
    public StorePath Floating(string name, params IEnumerable<StorePath> inputs) =>
        Derivation(name, new DerivationOutput(null, "r:sha256", ""), inputs);

    /// <summary>The same, beside another one with that name; where nothing else differs, a comment does.</summary>
    public StorePath OtherFloating(string name, params IEnumerable<StorePath> inputs)
    {
        var path = StorePath.Parse($"/nix/store/{FakeStore.PathOf($"other-{name}").HashPart}-{name}.drv");
        var first = derivations[FakeStore.PathOf(name + ".drv")];
        derivations.Add(path, WithOutput(name, first, new(null, "r:sha256", ""), inputs, inputs.Any() ? "" : "a comment"));
        Register(path, [.. inputs], output: null);
        return path;
    }

    /// <summary>One that is built anew each time.</summary>
    public StorePath Impure(string name, params IEnumerable<StorePath> inputs) =>
        Derivation(name, new DerivationOutput(null, "r:sha256", "impure"), inputs);

    /// <summary>One whose output path is known once it is known where its inputs are.</summary>
    public StorePath Deferred(string name, params IEnumerable<StorePath> inputs) =>
        Derivation(name, new DerivationOutput(null, "", ""), inputs);

    /// <summary>A derivation that is in no store until another one makes it.</summary>
    public StorePath Made(string name, params IEnumerable<StorePath> inputs)
    {
        var plain = new Derivation
        {
            Outputs = new Dictionary<string, DerivationOutput>(),
            InputDerivations = new Dictionary<StorePath, IReadOnlyList<string>>(),
            InputSources = [],
            System = "x86_64-linux",
            Builder = "/bin/sh",
            Arguments = [],
            Environment = new Dictionary<string, string>(),
        };
        var derivation = WithOutput(name, plain, new(null, "r:sha256", ""), inputs, $"the {name}");
        var file = new DerivationFile(derivation, name);
        derivations[file.Info.Path] = derivation;
        files[$"{file.Info.Path.Name}.drv"] = file;
        return file.Info.Path;
    }

    /// <summary>One that is known here, as if another one made it.</summary>
    public StorePath MadeAs(StorePath known)
    {
        var name = known.Name[..^".drv".Length];
        var file = new DerivationFile(derivations[known], name);
        derivations[file.Info.Path] = derivations[known];
        files[$"{file.Info.Path.Name}.drv"] = file;
        return file.Info.Path;
    }

    /// <summary>The derivation that makes one: see <see cref="Make"/>.</summary>
    public StorePath MakerOf(StorePath made)
    {
        // A derivation that refers to others is made by one that may read their files.
        var sources = derivations[made].InputDerivations.Keys.ToArray();
        var path = Derivation(made.Name, sources: sources);
        derivations[path] = WithOutput(made.Name, derivations[path], new(null, "text:sha256", ""), [], $"makes {made.Name}", sources);
        Register(path, sources, output: null);
        return path;
    }

    /// <summary>A derivation that uses what another one makes, or what this makes in turn.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="maker">The other one.</param>
    /// <param name="outputs">The outputs that lead to what it uses; none: one after another.</param>
    public StorePath UserOf(string name, StorePath maker, params string[] outputs)
    {
        if (outputs.Length == 0) outputs = ["out", "out"];
        var use = new DynamicInput([outputs[^1]], DynamicInput.None);
        foreach (var output in outputs[1..^1].Reverse()) use = new([], new Dictionary<string, DynamicInput> { [output] = use });
        var path = Deferred(name);
        var plain = derivations[path];
        derivations[path] = new()
        {
            Outputs = plain.Outputs,
            InputDerivations = new Dictionary<StorePath, IReadOnlyList<string>> { [maker] = [] },
            DynamicInputs = new Dictionary<StorePath, IReadOnlyDictionary<string, DynamicInput>>
            {
                [maker] = new Dictionary<string, DynamicInput> { [outputs[0]] = use },
            },
            InputSources = [],
            System = plain.System,
            Builder = plain.Builder,
            Arguments = [],
            Environment = new Dictionary<string, string> { ["inputs"] = new UsedOutput(maker, outputs).Placeholder },
        };
        return path;
    }

    /// <summary>Builds as any other, but for what makes a derivation: its output is that.</summary>
    public BuildResult Make(FakeBuild build)
    {
        if (!files.TryGetValue(build.Path.Name, out var file)) return build.Succeed();
        Add(file, build.Store);
        return new()
        {
            Status = BuildStatus.Built, BuiltOutputs = new Dictionary<string, StorePath> { ["out"] = file.Info.Path },
        };
    }

    /// <summary>As after an earlier run, the local store has what a derivation makes.</summary>
    public void HasMade(StorePath maker)
    {
        var file = files[maker.Name];
        Add(file, Local.Daemon.Store);
        Local.Daemon.Store.Outputs[maker] = new Dictionary<string, StorePath?> { ["out"] = file.Info.Path };
    }

    private static void Add(DerivationFile file, FakeStore store)
    {
        using var nar = new MemoryStream();
        file.WriteNarAsync(nar, TestContext.Current.CancellationToken).GetAwaiter().GetResult();
        store.Add(file.Info, nar.ToArray());
        store.AddOutputsOf(file.Info.Path);
    }

    /// <summary>One whose content is known before the build: a file.</summary>
    public StorePath Fixed(string name, string contents)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(contents));
        var path = StorePath.Of(
            "output:out",
            new(SHA256.HashData(Encoding.UTF8.GetBytes($"fixed:out:sha256:{Convert.ToHexString(hash).ToLowerInvariant()}:"))),
            name);
        return Derivation(name, new DerivationOutput(path, "sha256", Convert.ToHexString(hash).ToLowerInvariant()), []);
    }

    private StorePath Derivation(string name, DerivationOutput output, IEnumerable<StorePath> inputs)
    {
        var path = Derivation(name, inputs);
        derivations[path] = WithOutput(name, derivations[path], output, inputs);
        Register(path, [.. inputs], output.Path);
        return path;
    }

    private static Derivation WithOutput(
        string name, Derivation derivation, DerivationOutput output, IEnumerable<StorePath> inputs, string comment = "",
        IReadOnlyList<StorePath>? sources = null) => new()
    {
        Outputs = new Dictionary<string, DerivationOutput> { ["out"] = output },
        InputDerivations = inputs.ToDictionary(input => input, _ => (IReadOnlyList<string>)["out"]),
        InputSources = sources ?? [],
        System = derivation.System,
        Builder = derivation.Builder,
        Arguments = [],
        Environment = new Dictionary<string, string>
        {
            // As Nix puts it there: two derivations of different names are never the same.
            ["name"] = name,
            ["comment"] = comment,
            ["inputs"] = string.Join(' ', inputs.Select(input => new UsedOutput(input, "out").Placeholder)),
        },
    };

    /// <summary>The derivation at a path.</summary>
    public Derivation this[StorePath path] => derivations[path];

    /// <summary>
    /// As an evaluation leaves it: the derivation is in the local store. What comes of it, every machine knows once it has it.
    /// </summary>
    private void Register(StorePath path, StorePath[] references, StorePath? output)
    {
        var (info, nar) = FakeStore.FileOf("text", Encoding.UTF8.GetBytes(path.ToString()), references);
        Local.Daemon.Store.Add(info with { Path = path, ContentAddress = "text:sha256:" }, nar);
        foreach (var machine in machines.Values)
        {
            machine.Daemon.Store.Outputs[path] = new Dictionary<string, StorePath?> { ["out"] = output };
        }
    }

    public static StorePath OutputOf(string name) => FakeStore.PathOf(name);

    /// <summary>Builds on machines of the farm; none named: on all of them.</summary>
    public async Task<IReadOnlyDictionary<string,
    NixBuildResult>> BuildAsync(StorePath requested, Func<BuildRequest, BuildRequest>? with = null, params string[] on)
    {
        var request = Request(requested, on);
        var run = new BuildRun(with?.Invoke(request) ?? request, this, History, this, this, Time ?? TimeProvider.System);
        await run.RunAsync(TestContext.Current.CancellationToken).WaitAsync(Until.Limit);
        await AllClosedAsync();
        return Results.ToDictionary(result => result.Name);
    }

    /// <summary>Plans what <see cref="BuildAsync"/> would do.</summary>
    public async Task<IReadOnlyList<NixBuildPlan>> PlanAsync(
        StorePath requested, Func<BuildRequest, BuildRequest>? with = null, params string[] on)
    {
        var request = Request(requested, on);
        return (await PlanAsync(with?.Invoke(request) ?? request)).Steps;
    }

    /// <summary>Plans with what comes of it.</summary>
    public async Task<RunPlan> PlanAsync(BuildRequest request) =>
        await new BuildPlanner(request, this, History, this, this).PlanAsync(TestContext.Current.CancellationToken);

    /// <summary>A request for one derivation on machines of the farm; none named: on all of them.</summary>
    public BuildRequest RequestFor(StorePath requested, params string[] on) => Request(requested, on);

    /// <summary>Waits until no connection to a machine is open.</summary>
    public Task AllClosedAsync() =>
        Task.WhenAll(machines.Values.Select(machine => machine.Daemon.AllClosedAsync())).WaitAsync(TimeSpan.FromSeconds(10));

    /// <summary>A request for nothing on machines of the farm; none named: on all of them.</summary>
    public BuildRequest Request(params string[] on) => Request([], on);

    private BuildRequest Request(StorePath requested, string[] on) => Request([new(requested, [])], on);

    private BuildRequest Request(IReadOnlyList<RequestedDerivation> requested, string[] on) => new()
    {
        Evaluate = _ => Task.FromResult(requested),
        Builders = [.. (on.Length > 0 ? on : [.. machines.Keys]).Select(name => machines[name].Builder)],
        LogFolder = logs,
        // Nobody brings back what a test takes away for good.
        MaxAbsence = TimeSpan.FromSeconds(20),
    };

    public IBuilderTransport Create(NixBuilder builder, TransportOptions options) => new FakeTransport(machines[builder.Name], options);

    public Task<Derivation> ReadAsync(StorePath path, CancellationToken cancellation) =>
        collected.Contains(path) ? throw new NixBuildFarmException(StoreFolder.NotFound, $"The derivation “{path}” does not exist.")
        : derivations.TryGetValue(path, out var derivation) ? Task.FromResult(derivation)
        : throw new NixBuildFarmException("DerivationMalformed", $"“{path}” cannot be read as a derivation.", "Look at it.");

    /// <summary>The garbage collector takes this derivation.</summary>
    public void Collect(StorePath path) => collected.Add(path);

    /// <summary>An evaluation makes it again.</summary>
    public void MakeAgain(StorePath path) => collected.Remove(path);

    /// <summary>What is at this path is no derivation.</summary>
    public void Damage(StorePath path) => derivations.Remove(path);

    public void Observe(RunNews news)
    {
        Also?.Observe(news);
        switch (news)
        {
            case RunNews.Ended(var result): Results.Enqueue(result); break;
            case RunNews.BuilderFailed(var builder, var error): LostBuilders.Enqueue((builder.Name, error)); break;
            case RunNews.HistoryFailed(var error): Warnings.Enqueue(error.Message); break;
            case RunNews.Degraded(var message): Warnings.Enqueue(message); break;
            case RunNews.Decided(var message): Decisions.Enqueue(message); break;
            case RunNews.Printed(_, var line): Lines.Enqueue(line); break;
            case RunNews.Progressed(var progress): Assert.InRange(progress.Waiting, 0, progress.Total); break;
        }
    }

    public void Dispose() => Directory.Delete(logs, recursive: true);
}

/// <summary>Reaches a machine of a fake farm for one session.</summary>
internal sealed class FakeTransport(FakeMachine machine, TransportOptions options) : IBuilderTransport
{
    public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
        new Channel(await machine.OpenAsync(use, cancellation), options);

    public Task<IBuilderChannel> OpenAsync(StoreProgram program, CancellationToken cancellation) =>
        machine.OpenAsync(program, cancellation);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>As those of SSH do, it knows whose it is as long as it lives.</summary>
    private sealed class Channel(IBuilderChannel inner, TransportOptions options) : IBuilderChannel
    {
        public TransportOptions Options { get; } = options;

        public Stream Stream => inner.Stream;

        public string ErrorOutput => inner.ErrorOutput;

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}

/// <summary>A machine of a fake farm.</summary>
internal sealed class FakeMachine(string name) : IBuilderTransport
{
    private CancellationTokenSource broken = new();

    public FakeDaemon Daemon { get; set; } = new();

    public int MaxJobs { get; init; } = 2;

    public string System { get; set; } = "x86_64-linux";

    public IReadOnlyList<string> Features { get; set; } = [];

    public double SpeedFactor { get; init; } = 1;

    /// <summary>How many connections to it were begun.</summary>
    public int Asked;

    /// <summary>Why it cannot be reached; null: it can.</summary>
    public BuilderException? Unreachable { get; set; }

    /// <summary>The connections to it, as its users see them.</summary>
    public ConcurrentQueue<WeakReference> Opened { get; } = new();

    /// <summary>The names of what it was asked to build, in order.</summary>
    public ConcurrentQueue<string> Built { get; } = new();

    /// <summary>Whether a path is valid there.</summary>
    public bool Has(string output) => Daemon.Store.IsValid(FakeFarm.OutputOf(output));

    public NixBuilder Builder => new()
    {
        Name = name,
        HostName = name,
        Uri = name,
        Scheme = name == NixBuilder.LocalName ? StoreScheme.Local : StoreScheme.SshNg,
        Systems = [System],
        SupportedFeatures = Features,
        MaxJobs = MaxJobs,
        SpeedFactor = SpeedFactor,
        Source = "a test",
    };

    /// <summary>Has its daemon build so, beside noting what it was asked for.</summary>
    public void Builds(Func<FakeBuild, Task<BuildResult>> build, DaemonTrust trust = DaemonTrust.Trusted, FakeFaults? faults = null) =>
        Daemon = new FakeDaemon
    {
        Trust = trust,
        Faults = faults ?? new(),
        Store = Daemon.Store,
        Build = asked =>
        {
            if (asked.Derivation?.System == "nixbuildfarm-probe")
            {
                return Task.FromResult(new BuildResult { Status = BuildStatus.MiscFailure });
            }
            Built.Enqueue(asked.Path.Name);
            return build(asked);
        },
    };

    /// <summary>Every connection breaks, and none can be made any more.</summary>
    public void Break()
    {
        Unreachable = new BuilderException(name, BuilderFailure.Unreachable, $"{name} is gone.");
        broken.Cancel();
    }

    /// <summary>It can be reached again.</summary>
    public void Repair()
    {
        broken = new();
        Unreachable = null;
    }

    /// <summary>What it says of the machine below it; nothing: it does not tell; null: it does not answer.</summary>
    public string? Machine { get; set; } = "";

    /// <summary>What it answers when it is asked what its machine has now; null: nothing.</summary>
    public Func<string>? Live { get; set; }

    /// <summary>Ends when who connects is logged in.</summary>
    public Task Login { get; set; } = Task.CompletedTask;

    /// <summary>Whether its login may run nix-store too.</summary>
    public bool TellsClosures { get; set; } = true;

    /// <summary>What it says more of a closure than is true.</summary>
    public IReadOnlyCollection<StorePath> Invented { get; set; } = [];

    /// <summary>Runs scripts there; null: they say nothing.</summary>
    public IBuilderTransport? Shell { get; set; }

    /// <summary>What its logs tell of builds.</summary>
    public string BuildTimes { get; set; } = "";

    /// <summary>The slots of its machine; null: it has none to take.</summary>
    public SlotFolder? Slots { get; set; }

    public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation)
    {
        if (use is ChannelUse.Slots or ChannelUse.SlotHolders)
        {
            return Slots is { } slots ? await slots.OpenAsync(use, cancellation) : new Channel(new MemoryStream());
        }
        if (use == ChannelUse.KeptFolder)
        {
            return Shell is { } shell ? await shell.OpenAsync(use, cancellation) : new Channel(new MemoryStream());
        }
        Interlocked.Increment(ref Asked);
        if (Unreachable is { } problem) throw problem;
        await Login.WaitAsync(cancellation);
        switch (use)
        {
            case ChannelUse.Machine when Machine is { } answer:
                return new Channel(new MemoryStream(Encoding.UTF8.GetBytes(answer)));
            case ChannelUse.BuildTimes:
                return new Channel(new MemoryStream(Encoding.UTF8.GetBytes(BuildTimes)));
            case ChannelUse.Machine:
                return new Channel(new MemoryChannel(Daemon.Capacity).Client);
            case ChannelUse.Live:
                var live = new MemoryChannel(Daemon.Capacity);
                return new Channel(live.Client, Live is { } tell ? AnswerAsync(live, tell) : null);
            case ChannelUse.Closure:
                var channel = new MemoryChannel(Daemon.Capacity);
                return new Channel(
                    channel.Client,
                    TellsClosures ? FakeServe.RunAsync(Daemon.Store, Invented, channel) : channel.Server.DisposeAsync().AsTask());
            default:
                var stream = new BreakableStream(Daemon.Connect(), broken.Token);
                Opened.Enqueue(new(stream));
                return new Channel(stream);
        }
    }

    private static async Task AnswerAsync(MemoryChannel channel, Func<string> tell)
    {
        using var lines = new StreamReader(channel.Server);
        while (await lines.ReadLineAsync() is not null) await channel.Server.WriteAsync(Encoding.UTF8.GetBytes($"{tell()}\nend\n"));
    }

    /// <summary>The programs of its store: what each does with the other end of the channel.</summary>
    public Func<StoreProgram, Stream, Task>? Program { get; set; }

    public Task<IBuilderChannel> OpenAsync(StoreProgram program, CancellationToken cancellation)
    {
        if (Unreachable is { } problem) throw problem;
        if (Program is not { } run || !Daemon.Store.IsValid(program.Path))
        {
            throw new BuilderException(name, BuilderFailure.NoNix, $"{name} has no such program.");
        }
        var channel = new MemoryChannel(Daemon.Capacity);
        return Task.FromResult<IBuilderChannel>(
            new Channel(new BreakableStream(channel.Client, broken.Token), run(program, channel.Server)));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed class Channel(Stream stream, Task? serving = null) : IBuilderChannel
    {
        public Stream Stream => stream;

        public string ErrorOutput => "";

        public async ValueTask DisposeAsync()
        {
            await stream.DisposeAsync();
            if (serving is not null) await serving;
        }
    }

    /// <summary>A stream that fails from some moment on, as that of a connection which breaks.</summary>
    private sealed class BreakableStream(Stream inner, CancellationToken broken) : AsyncStream
    {
        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, broken);
            try
            {
                return await inner.ReadAsync(buffer, either.Token);
            }
            catch (OperationCanceledException e) when (broken.IsCancellationRequested)
            {
                throw new IOException("The connection is broken.", e);
            }
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            broken.IsCancellationRequested
                ? throw new IOException("The connection is broken.")
                : inner.WriteAsync(buffer, cancellationToken);

        protected override void Dispose(bool disposing)
        {
            if (disposing) inner.Dispose();
            base.Dispose(disposing);
        }
    }
}
