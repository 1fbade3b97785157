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
        $finding = [NixBuildFarm.Builders.Testing.NixBuilderFinding]::new('It lacks kvm.', 'Remove kvm from its entry.')
        [NixBuildFarm.Builders.Testing.NixBuilderTest]@{
            Builder = {{Builder}}; State = 'Degraded'; Latency = '00:00:00.0042'; NixVersion = '2.8.0'; Protocol = '1.34'; Trusted = $true
            System = 'x86_64-linux'; Features = [string[]]'big-parallel'; Findings = [NixBuildFarm.Builders.Testing.NixBuilderFinding[]]@($finding)
        }
        """;

    private const string Result = """
        $outputs = [Collections.Generic.Dictionary[string, string]]::new()
        $outputs['out'] = '/nix/store/3r2m-hello'
        $outputs['dev'] = '/nix/store/4x9k-hello-dev'
        $attempt = [NixBuildFarm.Running.NixBuildAttempt]@{ Builder = 'kana'; Started = [DateTimeOffset]::UnixEpoch; Duration = '00:00:01'; Reason = 'the connection was lost' }
        [NixBuildFarm.Running.NixBuildResult]@{
            Name = 'hello-2.12'; DerivationPath = '/nix/store/0c9b-hello-2.12.drv'; System = 'x86_64-linux'; Status = 'Failed'; Builder = 'ruby'
            Started = [DateTimeOffset]::UnixEpoch; Duration = '00:03:05'; Waited = '00:00:02'; Supplied = 1500000
            Attempts = [NixBuildFarm.Running.NixBuildAttempt[]]@($attempt); Outputs = $outputs; Error = 'builder failed with exit code 1'
            LogPath = '/root/logs/hello.log'; LogTail = [string[]]('compiling', 'it does not compile'); IsRequested = $true; RunId = '20260102-030405'
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
        Assert.All(session.OutputTypes, type => Assert.Equal(["TableControl", "ListControl"], views.Where(view => TypeOf(view) == type.FullName).Select(ControlOf)));
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
    [InlineData(Builder, "ruby x86_64, riscv64 2 1.5 True /etc/nix/machines:1 kvm (required)")]
    [InlineData(Test, "ruby Degraded 4.2 ms 2.8.0 True It lacks kvm. → Remove kvm from its entry.")]
    [InlineData(Result, "Failed ruby 3 m 05 s 2.0 s x86_64-linux hello-2.12")]
    public void A_table_shows_an_object_in_a_row(string sample, string row)
    {
        using var session = new ModuleSession();

        var lines = session.Show(sample).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(row, string.Join(' ', string.Join(' ', lines[2..]).Split(' ', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Theory]
    [InlineData(Builder, "Name: ruby", "Uri: ssh-ng://nix@ruby.lan:2222", "Systems: {x86_64-linux, riscv64-linux}", "Cores: 8", "HostKey: ssh-ed25519 AAAA")]
    [InlineData(Test, "State: Degraded", "Latency: 4.2 ms", "Protocol: 1.34", "System: x86_64-linux", "Features: {big-parallel}", "Findings: It lacks kvm. → Remove kvm from its entry.")]
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
        "Attempts: kana: the connection was lost",
        "Error: builder failed with exit code 1",
        "LogTail: compiling",
        "it does not compile",
        "RunId: 20260102-030405")]
    public void A_list_shows_all_there_is_to_know(string sample, params string[] shown)
    {
        var text = ShowAsList(sample).Split('\n').Select(line => line.Trim().Replace(" : ", ": ")).Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Replace(" :", ":"));

        Assert.All(shown, line => Assert.Contains(line, text));
    }

    // The engine alone has no Format-List: the objects get the lists of the module as their only views.
    private string ShowAsList(string sample)
    {
        var lists = new XElement("Configuration", new XElement("ViewDefinitions", ModuleFolder.FormatFiles.SelectMany(Views).Where(view => ControlOf(view) == "ListControl")));
        File.WriteAllText(Path.Combine(folder, "Lists.Format.ps1xml"), lists.ToString());
        File.WriteAllText(Path.Combine(folder, "Lists.psd1"), "@{ ModuleVersion = '1.0'; FormatsToProcess = 'Lists.Format.ps1xml' }");
        using var session = new RecordingSession();
        var import = session.Run("Import-Module $args", ModuleFolder.FileOf(ModuleFolder.RootModule), Path.Combine(folder, "Lists.psd1"));
        Assert.Empty(import.Errors);
        return session.Show(sample);
    }

    private static IEnumerable<XElement> Views(string file) => XDocument.Load(ModuleFolder.FileOf(file)).Descendants("View");

    private static string TypeOf(XElement view) => view.Element("ViewSelectedBy")!.Element("TypeName")!.Value;

    private static string ControlOf(XElement view) => view.Elements().Single(e => e.Name.LocalName.EndsWith("Control", StringComparison.Ordinal)).Name.LocalName;
}
