using CsCheck;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;

namespace NixBuildFarm.Toml.Tests;

public class TomlMachineListTests
{
    private const string HostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEzG3g9Tb0yYx1oI1t8cC5kUqD0aQ2mUo3rX0N9rJm1w root@ruby";
    private static readonly string[] Pieces =
    [
        "version = 1", "[machines.a]", "uri = ", "'x'", "[", "]", "\n", "=", "{", "\"\"\"", "\"", "\\", "u12", "jobs = 1", "\0",
    ];

    private const string File = "/etc/nix/machines.toml";

    private static readonly NixBuilder Local = new()
    {
        Name = "local",
        HostName = "localhost",
        Uri = "auto",
        Scheme = StoreScheme.Local,
        Systems = ["x86_64-linux"],
        Source = "nix.conf",
    };

    private static MachineList Parse(string text) => MachineList.Parse(text, File, Local, _ => null, TomlMachineList.Read);

    [Fact]
    public void A_table_is_a_builder_of_its_name()
    {
        var list = Parse($"""
            # the farm
            version = 1

            [machines.workshop]
            uri = "ssh-ng://nix@ruby:2222"
            system-types = [ "x86_64-linux", "riscv64-linux" ]
            ssh-key = "/root/.ssh/id with blank"
            jobs = 3
            speed-factor = 2.5
            supported-features = [ "kvm", 'big-parallel' ]
            mandatory-features = [ "benchmark" ]
            ssh-public-host-key = "{HostKey}"
            """);

        Assert.Empty(list.Problems);
        var builder = Assert.Single(list.Builders);
        Assert.Equal(
            ("workshop", "ruby", "ssh-ng://nix@ruby:2222", "nix", 2222),
            (builder.Name, builder.HostName, builder.Uri, builder.User, builder.Port));
        Assert.Equal(["x86_64-linux", "riscv64-linux"], builder.Systems);
        Assert.Equal(("/root/.ssh/id with blank", 3, 2.5), (builder.IdentityFile, builder.MaxJobs, builder.SpeedFactor));
        Assert.Equal(["kvm", "big-parallel"], builder.SupportedFeatures);
        Assert.Equal(["benchmark"], builder.MandatoryFeatures);
        Assert.Equal(HostKey, builder.HostKey);
        Assert.Equal($"{File}:4", builder.Source);
        Assert.True(builder.Enabled);
    }

    [Theory]
    [InlineData("version = 1\n[machines.ruby]\nuri = 'ssh://ruby'")]
    [InlineData("version = 1\nmachines.ruby.uri = 'ssh://ruby'")]
    [InlineData("version = 1\nmachines.ruby = { uri = 'ssh://ruby' }")]
    [InlineData("machines.ruby = { uri = 'ssh://ruby', jobs = 1 }", "version")]
    [InlineData("# the farm\nmachines . \"ruby\" = { uri = 'ssh://ruby' }", "version")]
    [InlineData("version = 1\nmachines = { ruby = { uri = 'ssh://ruby' } }")]
    [InlineData("version = 1\n[machines]\nruby.uri = 'ssh://ruby'")]
    [InlineData("\n# list\nversion=1\n[machines.\"ruby\"]\nuri = \"\"\"ssh://ruby\"\"\"")]
    [InlineData("[machines]\n[machines.ruby]\nuri = 'ssh://ruby'\nsystem-types = []\nssh-key = ''\n", "version")]
    public void A_table_may_be_written_in_any_way_that_TOML_has(string text, string? complaint = null)
    {
        var list = Parse(text);

        Assert.Equal(complaint, list.Problems.SingleOrDefault()?.Field);
        var builder = Assert.Single(list.Builders);
        Assert.Equal(("ruby", "ssh://ruby", 1, 1.0), (builder.Name, builder.Uri, builder.MaxJobs, builder.SpeedFactor));
        Assert.Equal(["x86_64-linux"], builder.Systems);
    }

    [Theory]
    [InlineData("system-types = 'x86_64-linux'", "Write system-types = [ \"x86_64-linux\" ].")]
    [InlineData("supported-features = 'kvm, big-parallel'", "Write supported-features = [ \"kvm\", \"big-parallel\" ].")]
    [InlineData("jobs = '4'", "Write jobs = 4, without quotes.")]
    public void A_value_of_another_type_is_shown_as_it_should_be(string line, string recommendation) =>
        Assert.Equal(recommendation, Assert.Single(Parse($"version = 1\n[machines.a]\nuri = 'ssh://a'\n{line}").Problems).Recommendation);

    [Fact]
    public void A_builder_can_be_switched_off() =>
        Assert.Equal(
            [false, true],
            Parse("version = 1\n[machines.a]\nuri = 'ssh://a'\nenable = false\n[machines.b]\nuri = 'ssh://b'\nenable = true")
                .Builders.Select(b => b.Enabled));

    [Theory]
    [InlineData("jobs = 'three'", "4:8: jobs: a whole number is expected")]
    [InlineData("jobs = 2.5", "4:8: jobs: a whole number is expected")]
    [InlineData("jobs = -1", "4:8: jobs: “-1” is no number of jobs")]
    [InlineData("speed-factor = -0.5", "4:16: speed-factor: “-0.5” is no speed factor")]
    [InlineData("speed-factor = nan", "4:16: speed-factor: “NaN” is no speed factor")]
    [InlineData("speed-factor = inf", "4:16: speed-factor:")]
    [InlineData("system-types = 'x86_64-linux'", "4:16: system-types: a list of texts without commas is expected")]
    [InlineData("system-types = [ 'a,b' ]", "4:16: system-types: a list of texts without commas is expected")]
    [InlineData("system-types = [ 1 ]", "4:16: system-types: a list of texts without commas is expected")]
    [InlineData("ssh-public-host-key = 'AAAA'", "4:23: ssh-public-host-key: this is no host key")]
    [InlineData("enable = 1", "4:10: enable: true or false is expected")]
    [InlineData("job = 3", "4:1: job: a builder has no such key")]
    [InlineData("uri = 'x'", "4:")]
    [InlineData("jobs = many", "4:")]
    [InlineData("jobs", "4:")]
    [InlineData("ssh-key = 'unclosed", "4:")]
    [InlineData("sub = { deep = 1 }", "4:")]
    public void A_malformed_entry_is_reported_with_its_place_and_the_other_builders_work(string line, string problem)
    {
        var list = Parse($"version = 1\n[machines.bad]\nuri = 'ssh://bad'\n{line}\n\n[machines.good]\nuri = 'ssh://good'\n");

        Assert.Contains("good", list.Builders.Select(b => b.Name));
        Assert.All(list.Problems, p => Assert.StartsWith($"{File}:{problem}", p.ToString()));
        Assert.NotEmpty(list.Problems);
    }

    [Theory]
    [InlineData("version = 2\n[machines.a]\nuri = 'ssh://a'", "UnknownTomlVersion", ProblemSeverity.Warning)]
    [InlineData("[machines.a]\nuri = 'ssh://a'", "MissingTomlVersion", ProblemSeverity.Warning)]
    [InlineData("version = 1\n[machine.b]\nuri = 'x'\n[machines.a]\nuri = 'ssh://a'", "UnknownTomlKey")]
    [InlineData("version = 1\n[machines.a]\nuri = 'ssh://a'\n[machines.b]\njobs = 1", "MissingStoreUri")]
    public void A_key_that_belongs_to_no_builder_is_reported(string text, string id, ProblemSeverity severity = ProblemSeverity.Error)
    {
        var list = Parse(text);

        Assert.Equal(["a"], list.Builders.Select(b => b.Name));
        Assert.Equal((id, severity), (list.Problems[0].Id, list.Problems[0].Severity));
    }

    [Theory]
    [InlineData("local", "a")]
    [InlineData("web*", "a")]
    [InlineData("", "a")]
    [InlineData("two words", "two words")]
    public void A_name_that_cannot_be_used_gives_way_to_the_host(string written, string name) =>
        Assert.Equal(name, Assert.Single(Parse($"version = 1\n[machines.\"{written}\"]\nuri = 'ssh://a'").Builders).Name);

    [Fact]
    public void A_list_of_Nix_includes_one_in_TOML()
    {
        var list = MachineList.Parse(
            "kana\n@/toml\nruby",
            "/etc/nix/machines",
            Local,
            path => path == "/toml" ? "version = 1\n[machines.ruby]\nuri = 'ssh://10.0.0.1'" : null,
            TomlMachineList.Read);

        Assert.Empty(list.Problems);
        Assert.Equal(["kana", "ruby", "ruby#2"], list.Builders.Select(b => b.Name));
        Assert.Equal("/toml:2", list.Builders[1].Source);
    }

    [Theory]
    [InlineData("ruby x86_64-linux - 1", false)]
    [InlineData("# version = 1\nruby", false)]
    [InlineData("@/etc/nix/machines", false)]
    [InlineData("[::1] - - 1", true)] // no host of a list is written so: it has ssh://[::1]
    [InlineData("ssh://ruby?ssh-key=/k - - 1", false)]
    [InlineData("", false)]
    [InlineData("machines.a = { uri = 'x' }", true)]
    [InlineData("machines.\"a b\" = 1", true)]
    [InlineData("build.example.org x86_64-linux", false)]
    [InlineData("\uFEFF# list\r\n\r\n version = 1", true)]
    public void The_two_formats_are_told_apart_by_how_they_begin(string text, bool isToml) =>
        Assert.Equal(isToml, MachineList.IsToml(text));

    [Theory]
    [InlineData("\\\uD800")]
    [InlineData("\\\uDC00")]
    [InlineData("\\uD800")]
    [InlineData("\\U00110000")]
    [InlineData("\\UFFFFFFFF")]
    public void A_character_that_there_is_not_is_a_mistake_of_its_table(string character)
    {
        var list = TomlMachineList.Read($"version = 1\n[machines.a]\nuri = \"{character}\"\n[machines.b]\nuri = 'ssh://b'", "list");

        Assert.Equal("InvalidToml", Assert.Single(list.Problems).Id);
        Assert.Equal("b", Assert.Single(list.Entries).Name);
    }

    [Theory]
    [InlineData("\"a\\")]
    [InlineData("version = \"\\")]
    [InlineData("version = \"\\u")]
    [InlineData("version = \"\\U0001f")]
    [InlineData("version = \"\"\"\\")]
    [InlineData("version = \"\\ud800\"")]
    [InlineData("version = \"\\Uffffffff\"")]
    [InlineData("version = '\\")]
    public void A_string_that_ends_in_the_middle_or_has_no_letter_is_told_as_invalid(string text) =>
        Assert.Contains(TomlMachineList.Read(text, "list").Problems, problem => problem.Id == "InvalidToml");

    [Fact]
    public void Whatever_the_text_is_it_is_read_without_an_exception() =>
        Gen.OneOf(Gen.String, Gen.Int[0, Pieces.Length - 1].Select(i => Pieces[i]).Array[0, 12].Select(string.Concat))
            .Sample(text => TomlMachineList.Read(text, "list") is not null);
}
