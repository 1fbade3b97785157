using System.Xml.Linq;
using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests.Surface;

/// <summary>How objects look: a table by default, a list on request.</summary>
public sealed class ViewTests : IDisposable
{
    private const string Builder = """
        [NixBuildFarm.Builders.NixBuilder]@{
            Name = 'ruby'; HostName = 'ruby.lan'; Uri = 'ssh-ng://nix@ruby.lan:2222'; Systems = [string[]]('x86_64-linux', 'riscv64-linux')
            MaxJobs = 2; Cores = 8; SpeedFactor = 1.5; SupportedFeatures = [string[]]'kvm'; MandatoryFeatures = [string[]]'kvm'
            User = 'nix'; Port = 2222; IdentityFile = '/root/.ssh/id'; HostKey = 'ssh-ed25519 AAAA'; Source = '/etc/nix/machines:1'
        }
        """;

    private const string Test = $$"""
        $finding = [NixBuildFarm.Testing.NixBuilderFinding]::new('It lacks kvm.', 'Remove kvm from its entry.')
        [NixBuildFarm.Testing.NixBuilderTest]@{
            Builder = {{Builder}}; State = 'Degraded'; Latency = '00:00:00.0042'; NixVersion = '2.8.0'; Protocol = '1.34'; Trusted = $true
            System = 'x86_64-linux'; Features = [string[]]'big-parallel'; Findings = [NixBuildFarm.Testing.NixBuilderFinding[]]@($finding)
        }
        """;

    private const string Result = """
        $outputs = [Collections.Generic.Dictionary[string, string]]::new()
        $outputs['out'] = '/nix/store/3r2m-hello'
        $outputs['dev'] = '/nix/store/4x9k-hello-dev'
        $attempt = [NixBuildFarm.History.NixBuildAttempt]@{ Builder = 'kana'; Started = [DateTimeOffset]::UnixEpoch; Duration = '00:00:01'; Reason = 'the connection was lost' }
        [NixBuildFarm.History.NixBuildResult]@{
            Name = 'hello-2.12'; DerivationPath = '/nix/store/0c9b-hello-2.12.drv'; System = 'x86_64-linux'; Status = 'Failed'; Builder = 'ruby'
            Started = [DateTimeOffset]::UnixEpoch; Duration = '00:03:05'; Waited = '00:00:02'; Supplied = 1500000
            PeakMemory = 3000000000; ProcessorTime = '00:10:05'
            Attempts = [NixBuildFarm.History.NixBuildAttempt[]]@($attempt); Outputs = $outputs; Error = 'builder failed with exit code 1'
            LogPath = '/root/logs/hello.log'; LogTail = [string[]]('compiling', 'it does not compile'); IsRequested = $true; RunId = '20260102-030405'
        }
        """;

    private const string Run = """
        [NixBuildFarm.History.NixBuildRun]@{
            RunId = '20260102-030405-ab12'; State = 'Interrupted'; Started = [DateTimeOffset]::UnixEpoch; Duration = '00:10:00'
            Requested = [string[]]('nixpkgs#hello', '.#checks'); Derivations = 40; Built = 12; NotDone = 3
        }
        """;

    private const string Comparison = """
        [NixBuildFarm.History.NixBuildComparison]@{
            Name = 'hello-2.12'; System = 'x86_64-linux'; Change = 'Slower'; Status = 'Built'; StatusThen = 'Built'; Seconds = 65; SecondsThen = 5.5
            Difference = 59.5; Builder = 'kana'; BuilderThen = 'ruby'; DerivationPath = '/nix/store/0c9b-hello-2.12.drv'
            DerivationPathThen = '/nix/store/0c9c-hello-2.11.drv'; RunId = '20260102-030405-ab12'; RunIdThen = '20260101-030405-ab12'
        }
        """;

    private const string Plan = """
        [NixBuildFarm.Planning.NixBuildPlan]@{
            Name = 'hello-2.12'; DerivationPath = '/nix/store/0c9b-hello-2.12.drv'; System = 'riscv64-linux'; Action = 'Build'; Builder = 'ruby'
            Start = '00:00:00'; End = '00:01:01'; Cores = 0; Why = 'free in 0 s'; IsRequested = $true
        }
        """;

    private const string Step =
        "[NixBuildFarm.Planning.NixBuildPlan]@{ Name = 'x'; DerivationPath = 'x'; System = 'x86_64-linux'; Action = 'NoEligibleBuilder'; "
            + "Why = 'y' }";

    private const string PolicyTest = """
        [NixBuildFarm.Planning.NixBuilderPolicyTest]@{
            Name = 'ruby'; Derivation = 'hello-2.12'; DerivationPath = '/nix/store/0c9b-hello-2.12.drv'; Eligible = $true; EstimatedDuration = '00:00:10'; EstimatedFinish = '00:00:12'
        }
        """;

    private const string Copy = """
        [NixBuildFarm.Copying.NixStorePathCopy]@{
            Status = 'Copied'; Path = '/nix/store/3r2mnwy1yza9kbxi0xvxzvgyhxfyl9nj-hello-2.12'; From = 'local'; To = 'ruby'; NarSize = 123456; IsRequested = $true
        }
        """;

    private const string Import =
        "[NixBuildFarm.History.NixBuildHistoryImport]@{ Source = 'NixLog'; From = 'ruby'; Found = 40; Imported = 12 }";

    private const string Farm = """
        [NixBuildFarm.Serving.NixFarm]@{
            Name = 'default'; Address = 'unix:///run/farm/socket'; ProcessId = 4711; Started = [DateTimeOffset]::new(2026, 1, 2, 3, 4, 5, [TimeSpan]::Zero)
            Builders = [string[]]('ruby', 'kana'); Clients = 2; Runs = [string[]]@('20260102-030405-ab12'); LogPath = '/run/farm/log'
        }
        """;

    private const string Proof =
        "[NixBuildFarm.Testing.NixBuilderSystemTest]@{ System = 'riscv64-linux'; Success = $true; IsEmulated = $true; Speed = 0.12; "
            + "Duration = '00:00:02' }";

    private const string Attempt =
        "[NixBuildFarm.History.NixBuildAttempt]@{ Builder = 'kana'; Started = [DateTimeOffset]::UnixEpoch; Duration = '00:00:01'; Reason "
            + "= 'the connection was lost' }";

    private const string Reading = $$"""
        $build = [NixBuildFarm.Builders.MachineBuild]@{ Name = 'firefox-130'; User = 30001; Memory = 8GB; ProcessorTime = '00:10:00' }
        [NixBuildFarm.Testing.NixBuilderReading]@{
            Builder = {{Builder}}; Cores = 8; Load = 3.25; Memory = 16GB; MemoryAvailable = 5.5GB; CpuPressure = 2.5; MemoryPressure = 12.4
            IoPressure = 0; StoreSize = 100GB; StoreFree = 40GB; BuildFree = 7GB; Builds = [NixBuildFarm.Builders.MachineBuild[]]@($build)
        }
        """;

    private const string Policy =
        "Set-NixBuilderPolicy -Scope Session -MaxJobs 2 -Match gcc*, llvm*; Get-NixBuilderPolicy -Scope Session; Reset-NixBuilderPolicy "
            + "-Scope Session";

    private const string Measurement = """
        $use = [NixBuildFarm.Measuring.BuilderUtilisation]::new('ruby', 3, '00:00:09', 0.9)
        $step = [NixBuildFarm.Measuring.CriticalPathStep]::new('hello-2.12', 'ruby', '00:00:01', '00:00:08')
        [NixBuildFarm.Measuring.NixBuildMeasurement]@{
            RunId = '20260102-030405'; Policy = 'Portfolio'; Jobs = 3; NotBuilt = 0; Makespan = '00:00:10'; ActualMakespan = '00:00:11'; LowerBound = '00:00:08'; Ratio = 1.25
            Utilisation = [NixBuildFarm.Measuring.BuilderUtilisation[]]@($use); CriticalPath = [NixBuildFarm.Measuring.CriticalPathStep[]]@($step); Transfers = 1000
        }
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("views").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Every_type_that_a_cmdlet_writes_has_a_table_and_then_a_list()
    {
        using var session = new ModuleSession();
        var views = ModuleFolder.FormatFiles.SelectMany(Views).ToArray();

        Assert.NotEmpty(session.OutputTypes);
        Assert.All(
            session.OutputTypes,
            type => Assert.Equal(["TableControl", "ListControl"], views.Where(view => TypeOf(view) == type.FullName).Select(ControlOf)));
    }

    [Fact]
    public void Every_property_that_a_view_shows_is_one_of_its_type()
    {
        using var session = new ModuleSession();
        var types = session.OutputTypes.ToDictionary(type => type.FullName!);

        foreach (var view in ModuleFolder.FormatFiles.SelectMany(Views).Where(view => types.ContainsKey(TypeOf(view))))
        {
            Assert.All(view.Descendants("PropertyName"), property => Assert.NotNull(types[TypeOf(view)].GetProperty(property.Value)));
        }
    }

    [Fact]
    public void A_table_has_four_to_seven_columns_and_every_row_as_many() =>
        Assert.All(ModuleFolder.FormatFiles.SelectMany(Views).Where(view => ControlOf(view) == "TableControl"), view =>
        {
            Assert.InRange(view.Descendants("TableColumnHeader").Count(), 4, 7);
            Assert.Equal(view.Descendants("TableColumnHeader").Count(), view.Descendants("TableColumnItem").Count());
        });

    [Theory]
    [InlineData(Builder, "ruby x86_64, riscv64 2 1.5 True kvm (required) /etc/nix/machines:1")]
    [InlineData(Test, "ruby Degraded 4.2 ms 2.8.0 It lacks kvm. → Remove kvm from its entry.")]
    [InlineData(Result, "Failed hello-2.12 ruby 3 m 05 s")]
    [InlineData(Reading, "ruby 3.3 of 8 5.5 GiB 40.0 GiB memory 12 % firefox-130 (1 of others)")]
    [InlineData(Run, "20260102-030405-ab12 nixpkgs#hello, .#checks Interrupted 10 m 00 s 12")]
    [InlineData(Comparison, "hello-2.12 Slower 5.5 s 1 m 05 s +1 m 00 s")]
    [InlineData(Plan, "0.0 s hello-2.12 [riscv64-linux] ruby 1 m 01 s all free in 0 s")]
    [InlineData(Step, "x NoEligibleB… y")]
    [InlineData(PolicyTest, "ruby 10 s 12 s may take it")]
    [InlineData(Copy, "Copied hello-2.12 local ruby 120.6 KiB")]
    [InlineData(Import, "ruby NixLog 40 12")]
    [InlineData(Proof, "riscv64-linux True 2.0 s emulated, 0.12 of native speed")]
    [InlineData(Attempt, "kana 1970-01-01 00:00 1.0 s the connection was lost")]
    [InlineData(Farm, "default ruby, kana 2 1 2026-01-02 03:04")]
    [InlineData(Policy, "farm-wide Session 2 Match gcc* llvm*")]
    [InlineData(Measurement, "Portfolio 3 10 s 11 s 8.0 s 1.250 ruby 90 %")]
    public void A_table_shows_an_object_in_a_row(string sample, string row)
    {
        using var session = new ModuleSession();

        var lines = session.Show(sample).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        var rows = lines.SkipWhile(line => !line.TrimStart().StartsWith("----", StringComparison.Ordinal)).Skip(1);
        Assert.Equal(row, string.Join(' ', string.Join(' ', rows).Split(' ', StringSplitOptions.RemoveEmptyEntries)));
    }

    public static TheoryData<string, int> Travels
    {
        get
        {
            var travels = new TheoryData<string, int>();
            foreach (var sample in Samples)
            {
                travels.Add(sample.Data, 1);
                travels.Add(sample.Data, 2);
            }
            return travels;
        }
    }

    public static TheoryData<string> Samples =>
        [Builder, Test, Reading, Result, Run, Comparison, Plan, Step, PolicyTest, Copy, Import, Farm, Proof, Attempt, Policy, Measurement];

    [Fact]
    public void Every_type_that_a_cmdlet_writes_has_a_sample_here()
    {
        using var session = new ModuleSession();

        var sampled = Samples.SelectMany(sample => session.Run(sample.Data).Output)
            .Select(sample => sample.BaseObject.GetType().FullName)
            .ToHashSet();

        Assert.Subset(sampled!, session.OutputTypes.Select(type => type.FullName).ToHashSet()!);
    }

    // A job goes one level deep, a file two.
    [Theory]
    [MemberData(nameof(Travels))]
    public void Deserialized_objects_look_as_they_did(string sample, int depth)
    {
        using var session = new ModuleSession();
        var (before, after) = ($"$given = & {{ {sample} }}; $given", $"$given = & {{ {sample} }}; {Travelled(depth)}");

        Assert.Equal(session.Show(before), session.Show(after));
        Assert.StartsWith("Deserialized.NixBuildFarm.", Assert.Single(session.Run(after).Output).TypeNames[0]);
        Assert.Equal(ShowAsList(before), ShowAsList(after));
    }

    [Fact]
    public void A_status_that_comes_from_a_file_is_found_by_its_name()
    {
        using var session = new ModuleSession();

        foreach (var type in session.OutputTypes.SelectMany(type => type.GetProperties()).Select(
            property => Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType)
            .Where(type => type.IsEnum && type.Assembly.GetName().Name!.StartsWith("NixBuildFarm", StringComparison.Ordinal)).Distinct())
        {
            var travelled = Assert.Single(
                session.Run($"$given = [pscustomobject]@{{ Value = [{type.FullName}]{Enum.GetValues(type).Length - 1} }}; "
                    + $"({Travelled(2)}).Value")
                    .Output);
            Assert.Equal(Enum.GetNames(type)[^1], travelled.BaseObject);
        }
        Assert.Single(session.Run($"$given = & {{ {Result} }}; {Travelled(2)} | Where-Object Status -eq Failed").Output);
    }

    [Theory]
    [InlineData(60)]
    [InlineData(80)]
    [InlineData(120)]
    public void The_name_of_a_derivation_is_whole_in_every_window(int width)
    {
        const string Name = "python3.12-tensorflow-serving-api-2.18.0";
        using var session = new ModuleSession();

        var lines = session.Show(Result.Replace("hello-2.12'", Name + "'", StringComparison.Ordinal), width)
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);

        var at = lines[0].IndexOf("Name", StringComparison.Ordinal);
        var end = lines[0].IndexOf("Builder", StringComparison.Ordinal);
        Assert.Equal("Status", lines[0][..at].Trim());
        Assert.Equal(Name, string.Concat(lines[2..].Select(line => line.PadRight(width)[at..end].Trim())));
        Assert.All(lines, line => Assert.InRange(line.Length, 0, width));
        Assert.Contains("3 m 05 s", lines[2]);
    }

    [Theory]
    [InlineData(Run, "20260102-030405-ab12")]
    [InlineData(Plan, "hello-2.12")]
    [InlineData(PolicyTest, "ruby")]
    [InlineData(Copy, "hello-2.12")]
    [InlineData(Builder, "ruby")]
    [InlineData(Test, "ruby")]
    [InlineData(Policy, "farm-wide")]
    [InlineData(Import, "ruby")]
    [InlineData(Proof, "riscv64-linux")]
    public void A_narrow_window_keeps_what_a_row_is_about(string sample, string name)
    {
        using var session = new ModuleSession();

        var lines = session.Show(sample, 60).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Contains(lines, line => line.Contains(name, StringComparison.Ordinal));
        Assert.All(lines.SkipWhile(line => !line.StartsWith('-')), line => Assert.InRange(line.TrimEnd().Length, 0, 60));
    }

    [Theory]
    [InlineData("x86_64-linux", "hello-2.12")]
    [InlineData("builtin", "hello-2.12")]
    [InlineData("riscv64-linux", "hello-2.12 [riscv64-linux]")]
    public void A_system_is_told_where_it_is_another_than_this_machine_s(string system, string shown)
    {
        Assert.SkipUnless(
            System.Runtime.InteropServices.RuntimeInformation.OSArchitecture == System.Runtime.InteropServices.Architecture.X64,
            "This machine's system is another.");
        using var session = new ModuleSession();

        var row = session.Show(Result.Replace("x86_64-linux", system, StringComparison.Ordinal))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)[2];

        Assert.Equal(["Failed", .. shown.Split(' '), "ruby", "3", "m", "05", "s"], row.Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Seconds_can_be_summed_where_there_is_a_duration()
    {
        using var session = new ModuleSession();

        Assert.All(
            session.OutputTypes.Where(type => type.GetProperty("Duration") is not null),
            type =>
                Assert.True(
                    type.GetProperty("Seconds")?.PropertyType is { } seconds
                        && (Nullable.GetUnderlyingType(seconds) ?? seconds) == typeof(double),
                    type.Name));
        Assert.Equal([185.0], session.Run($"(& {{ {Result} }}).Seconds").OutputAs<double>());
    }

    [Theory]
    [InlineData(
        Builder,
        "Name: ruby",
        "Uri: ssh-ng://nix@ruby.lan:2222",
        "Systems: {x86_64-linux, riscv64-linux}",
        "Cores: 8",
        "HostKey: ssh-ed25519 AAAA")]
    [InlineData(
        Test,
        "State: Degraded",
        "Latency: 4.2 ms",
        "Protocol: 1.34",
        "System: x86_64-linux",
        "Features: {big-parallel}",
        "Findings: It lacks kvm. → Remove kvm from its entry.")]
    [InlineData(Reading, "Load: 3.25", "MemoryAvailable: 5.5 GiB", "BuildFree: 7.0 GiB", "Builds: firefox-130: 8.0 GiB")]
    [InlineData(
        Result,
        "Name: hello-2.12",
        "Status: Failed",
        "DerivationPath: /nix/store/0c9b-hello-2.12.drv",
        "Outputs: out: /nix/store/3r2m-hello",
        "dev: /nix/store/4x9k-hello-dev",
        "Duration: 3 m 05 s",
        "Waited: 2.0 s",
        "Supplied: 1.4 MiB",
        "PeakMemory: 2.8 GiB",
        "ProcessorTime: 10 m 05 s",
        "Attempts: kana: the connection was lost",
        "Error: builder failed with exit code 1",
        "LogTail: compiling",
        "it does not compile",
        "RunId: 20260102-030405")]
    public void A_list_shows_all_there_is_to_know(string sample, params string[] shown)
    {
        var text = ShowAsList(sample)
            .Split('\n')
            .Select(line => line.Trim().Replace(" : ", ": "))
            .Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Replace(" :", ":"));

        Assert.All(shown, line => Assert.Contains(line, text));
    }

    private static string Travelled(int depth) =>
        $"[Management.Automation.PSSerializer]::Deserialize([Management.Automation.PSSerializer]::Serialize($given, {depth}))";

    // The engine alone has no Format-List: the objects get the lists of the module as their only views.
    private string ShowAsList(string sample)
    {
        var lists = new XElement(
            "Configuration",
            new XElement("ViewDefinitions", ModuleFolder.FormatFiles.SelectMany(Views).Where(view => ControlOf(view) == "ListControl")));
        File.WriteAllText(Path.Combine(folder, "Lists.Format.ps1xml"), lists.ToString());
        var types = string.Join(", ", ModuleFolder.TypeFiles.Select(file => $"'{file}'"));
        foreach (var file in ModuleFolder.TypeFiles) File.Copy(ModuleFolder.FileOf(file), Path.Combine(folder, file), overwrite: true);
        File.WriteAllText(
            Path.Combine(folder, "Lists.psd1"),
            $"@{{ ModuleVersion = '1.0'; FormatsToProcess = 'Lists.Format.ps1xml'; TypesToProcess = {types} }}");
        using var session = new RecordingSession();
        var import = session.Run("Import-Module $args", ModuleFolder.FileOf(ModuleFolder.RootModule), Path.Combine(folder, "Lists.psd1"));
        Assert.Empty(import.Errors);
        return session.Show(sample);
    }

    private static IEnumerable<XElement> Views(string file) => XDocument.Load(ModuleFolder.FileOf(file)).Descendants("View");

    private static string TypeOf(XElement view) => view.Element("ViewSelectedBy")!.Element("TypeName")!.Value;

    private static string ControlOf(XElement view) =>
        view.Elements().Single(e => e.Name.LocalName.EndsWith("Control", StringComparison.Ordinal)).Name.LocalName;
}
