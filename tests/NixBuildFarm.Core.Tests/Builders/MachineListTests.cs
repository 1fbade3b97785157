using CsCheck;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;

namespace NixBuildFarm.Core.Tests.Builders;

public class MachineListTests
{
    [Fact]
    public void An_entry_has_eight_columns()
    {
        var builder = Lists.Builder(
            "ssh-ng://nix@ruby:2222 x86_64-linux,aarch64-linux /root/.ssh/id_builder 3 2.5 kvm,big-parallel benchmark "
                + $"{Lists.HostKeyColumn}");

        Assert.Equal("ruby", builder.Name);
        Assert.Equal("ruby", builder.HostName);
        Assert.Equal("ssh-ng://nix@ruby:2222", builder.Uri);
        Assert.Equal(StoreScheme.SshNg, builder.Scheme);
        Assert.Equal("nix", builder.User);
        Assert.Equal(2222, builder.Port);
        Assert.Equal(["x86_64-linux", "aarch64-linux"], builder.Systems);
        Assert.Equal(["x86_64", "aarch64"], builder.Arch);
        Assert.Equal("/root/.ssh/id_builder", builder.IdentityFile);
        Assert.Equal(3, builder.MaxJobs);
        Assert.Equal(2.5, builder.SpeedFactor);
        Assert.Equal(["kvm", "big-parallel"], builder.SupportedFeatures);
        Assert.Equal(["benchmark"], builder.MandatoryFeatures);
        Assert.Equal(Lists.HostKey, builder.HostKey);
        Assert.Equal("/etc/nix/machines:1", builder.Source);
        Assert.True(builder.Enabled);
        Assert.False(builder.IsLocal);
    }

    [Theory]
    [InlineData("ruby")]
    [InlineData("ruby -")]
    [InlineData("ruby - - - - - - -")]
    [InlineData("  ruby\t-   -\t")]
    public void Missing_columns_and_dashes_are_the_defaults(string entry)
    {
        var builder = Lists.Builder(entry);

        Assert.Equal("ssh://ruby", builder.Uri);
        Assert.Equal(StoreScheme.Ssh, builder.Scheme);
        Assert.Equal(["x86_64-linux"], builder.Systems);
        Assert.Null(builder.IdentityFile);
        Assert.Equal(1, builder.MaxJobs);
        Assert.Equal(1, builder.SpeedFactor);
        Assert.Empty(builder.SupportedFeatures);
        Assert.Empty(builder.MandatoryFeatures);
        Assert.Null(builder.HostKey);
        Assert.Null(builder.User);
        Assert.Null(builder.Port);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n\n  \n\t\n")]
    [InlineData(" ; ;; \n;")]
    [InlineData("# ruby\n   # kana ; aquamarine")]
    [InlineData("\r\n\r\n")]
    public void A_list_can_be_empty(string text)
    {
        var list = Lists.Parse(text);

        Assert.Empty(list.Builders);
        Assert.Empty(list.Problems);
    }

    [Theory]
    [InlineData("ruby\nkana")]
    [InlineData("ruby;kana")]
    [InlineData("ruby ; kana # ; aquamarine")]
    [InlineData("# farm\nruby # fast; or so\n\n ; kana")]
    [InlineData("ruby\r\nkana\r\n")]
    public void Lines_and_semicolons_separate_entries_and_a_comment_lasts_to_the_end_of_its_line(string text) =>
        Assert.Equal(["ruby", "kana"], Lists.Parse(text).Builders.Select(b => b.Name));

    [Fact]
    public void The_source_of_a_builder_is_its_file_and_line()
    {
        var list = Lists.Parse("# farm\nruby;kana\n@/more", ("/more", "\naquamarine"));

        Assert.Equal(["/etc/nix/machines:2", "/etc/nix/machines:2", "/more:2"], list.Builders.Select(b => b.Source));
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("1", 1)]
    [InlineData("64", 64)]
    public void MaxJobs_is_a_whole_number_and_may_be_0(string column, int jobs) =>
        Assert.Equal(jobs, Lists.Builder($"ruby - - {column}").MaxJobs);

    [Theory]
    [InlineData("-1")]
    [InlineData("eight")]
    [InlineData("1.5")]
    [InlineData("+1")]
    [InlineData("0x10")]
    [InlineData("99999999999999")]
    [InlineData("٣")]
    public void Any_other_MaxJobs_is_an_error_at_its_place(string column)
    {
        var problem = Lists.Problem($"\n  ruby - - {column} 1");

        Assert.Equal(ProblemSeverity.Error, problem.Severity);
        Assert.Equal("InvalidMaxJobs", problem.Id);
        Assert.Equal(("/etc/nix/machines", 2, 12, "maxJobs"), (problem.File, problem.Line, problem.Column, problem.Field));
        Assert.Contains($"“{column}”", problem.Message);
        Assert.NotNull(problem.Recommendation);
    }

    [Theory]
    [InlineData("1", 1)]
    [InlineData("2.5", 2.5)]
    [InlineData(".5", 0.5)]
    [InlineData("1e1", 10)]
    [InlineData("0", 1)]
    [InlineData("0.0", 1)]
    public void SpeedFactor_is_a_number_and_0_means_1(string column, double factor) =>
        Assert.Equal(factor, Lists.Builder($"ruby - - - {column}").SpeedFactor);

    [Theory]
    [InlineData("-1")]
    [InlineData("-0.5")]
    [InlineData("fast")]
    [InlineData("1,5")]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    [InlineData("1e999")]
    public void Any_other_SpeedFactor_is_an_error(string column)
    {
        var problem = Lists.Problem($"ruby - - - {column}");

        Assert.Equal("InvalidSpeedFactor", problem.Id);
        Assert.Equal((1, 12, "speedFactor"), (problem.Line, problem.Column, problem.Field));
    }

    [Theory]
    [InlineData("x86_64-linux", new[] { "x86_64-linux" })]
    [InlineData("x86_64-linux,,i686-linux,", new[] { "x86_64-linux", "i686-linux" })]
    [InlineData("riscv64-linux,x86_64-linux,riscv64-linux", new[] { "riscv64-linux", "x86_64-linux" })]
    public void Systems_keep_their_order(string column, string[] systems) => Assert.Equal(systems, Lists.Builder($"ruby {column}").Systems);

    [Theory]
    [InlineData(",", "no system is named")]
    [InlineData("x86_64-linux;", null)]
    [InlineData("x86_64-linux|aarch64-linux", "is no system")]
    [InlineData("=", "is no system")]
    public void A_malformed_list_of_systems_is_an_error(string column, string? message)
    {
        if (message is null)
        {
            Assert.Empty(Lists.Parse($"ruby {column}").Problems);
            return;
        }
        var problem = Lists.Problem($"ruby {column}");
        Assert.Equal(("InvalidSystem", 6, "systems"), (problem.Id, problem.Column, problem.Field));
        Assert.Contains(message, problem.Message);
    }

    [Fact]
    public void A_host_key_as_it_stands_in_its_pub_file_is_one_mistake() =>
        Assert.Contains("base 64 once more", Lists.Problem($"ruby - - - - - - {Lists.HostKey}").Message);

    [Fact]
    public void A_list_cannot_pin_an_authority()
    {
        var problem =
            Lists.Problem("ruby - - - - - - "
                + $"{Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"@cert-authority * {Lists.HostKey}"))}");

        Assert.Contains("@cert-authority", problem.Message);
        Assert.Contains("/etc/ssh/ssh_known_hosts", problem.Recommendation);
    }

    [Theory]
    [InlineData("ruby x86_64-linux - 1 1 kvm KEY", "mandatoryFeatures", "looks like a host key", "needs a “-”")]
    [InlineData("ruby x86_64-linux - 1 1 KEY", "supportedFeatures", "looks like a host key", "needs a “-”")]
    [InlineData("ruby x86_64-linux KEY", "SSH key", "looks like a host key", "needs a “-”")]
    [InlineData("ruby x86_64-linux big-parallel", "SSH key", "“big-parallel” looks like features", "needs a “-”")]
    [InlineData("ruby x86_64-linux 4", "SSH key", "“4” looks like a number", "needs a “-”")]
    [InlineData("ruby x86_64-linux id_builder", "SSH key", "“id_builder” has no folder", "whole path")]
    [InlineData("ruby x86_64-linux aarch64-linux", "SSH key", "“aarch64-linux” looks like a system", "needs a “-”")]
    [InlineData("ruby x86_64-linux, aarch64-linux", "SSH key", "a blank follows the comma", "without blanks")]
    [InlineData("ruby x86_64-linux - 1 1 kvm, big-parallel", "mandatoryFeatures", "a blank follows the comma", "without blanks")]
    [InlineData("ruby x86_64-linux - 1 1 x86_64-linux", "supportedFeatures", "looks like a system", "needs a “-”")]
    [InlineData("ruby x86_64-linux - 1 1 /root/.ssh/id", "supportedFeatures", "looks like the path of a file", "needs a “-”")]
    [InlineData("ruby x86_64-linux - 1 1 kvm 2", "mandatoryFeatures", "“2” looks like a number", "needs a “-”")]
    [InlineData("ruby x86_64-linux - 1 1 \"kvm,big-parallel\"", "supportedFeatures", "has quotes", "Write kvm,big-parallel.")]
    [InlineData("ruby x86_64-linux - 1 1 [kvm]", "supportedFeatures", "has brackets", "Write kvm.")]
    [InlineData("ruby amd64-linux", "systems", "“amd64-linux” is no system that Nix has", "Did you mean x86_64-linux?")]
    [InlineData("ruby x86-64-linux", "systems", "“x86-64-linux” is no system that Nix has", "Did you mean x86_64-linux?")]
    [InlineData("ruby x86_46-linux", "systems", "“x86_46-linux” is no system that Nix has", "Did you mean x86_64-linux?")]
    [InlineData("ruby x86_64_linux", "systems", "“x86_64_linux” is no system that Nix has", "Did you mean x86_64-linux?")]
    [InlineData("ruby kvm", "systems", "it looks like features", "x86_64-linux")]
    [InlineData("i686-linux - /k 1", "store URI", "“i686-linux” looks like a system", "“;” begins another entry")]
    [InlineData("kvm", "store URI", "“kvm” looks like features", "“;” begins another entry")]
    [InlineData("ssh://ruby?ssh-key=/a?compress=true", "store URI", "the value of “ssh-key” has a “?”", "“&”")]
    [InlineData("ssh://ruby?remote_program=x", "store URI", "has no effect", "Did you mean remote-program?")]
    public void A_value_that_looks_like_another_column_is_a_warning_and_the_builder_is_used(
        string entry, string field, string message, string recommendation)
    {
        var list = Lists.Parse(entry.Replace("KEY", Lists.HostKeyColumn));

        Assert.Single(list.Builders);
        var problem = Assert.Single(list.Problems);
        Assert.Equal((ProblemSeverity.Warning, field), (problem.Severity, problem.Field));
        Assert.Contains(message, problem.Message);
        Assert.Contains(recommendation, problem.Recommendation);
    }

    [Theory]
    [InlineData("ruby riscv32-linux,avr-none,aarch64-freebsd,my-own,x86_64-v3-linux")]
    [InlineData("ssh-ng://i686-linux")]
    [InlineData("nix@kvm")]
    [InlineData("ruby - ~/.ssh/id - - gccarch-znver3,kvm,my-feature,cuda kvm")]
    [InlineData("ruby - /srv/keys/x86_64-linux")]
    [InlineData("ruby x86_64-linux, - 4")]
    public void A_plausible_entry_gives_no_warning(string entry) => Assert.Empty(Lists.Parse(entry).Problems);

    [Fact]
    public void A_semicolon_among_the_systems_is_told_where_the_second_entry_begins()
    {
        var problem = Lists.Parse("ruby x86_64-linux;i686-linux - 1 1").Problems[0];

        Assert.Equal(("MisplacedValue", 19), (problem.Id, problem.Column));
    }

    [Theory]
    [InlineData("ruby /root/.ssh/id 1 1 kvm -", "“/root/.ssh/id” is no system, it looks like the path of a file")]
    [InlineData("ruby [x86_64-linux] - 1", "“[x86_64-linux]” has brackets")]
    [InlineData("ruby \"x86_64-linux\" - 1", "“\"x86_64-linux\"” has quotes")]
    [InlineData(
        "ruby x86_64-linux /home/my keys/id 1",
        "“keys/id” is no number of jobs; if it belongs to the path “/home/my” before it, a blank has cut that")]
    [InlineData("ruby x86_64-linux - auto", "“auto” is no number of jobs")]
    [InlineData("ruby x86_64-linux /k kvm", "“kvm” is no number of jobs")]
    [InlineData("ruby x86_64-linux - 1 kvm", "“kvm” is no speed factor, it looks like features: a column before it is missing")]
    [InlineData("ssh://ssh://nix@ruby", "a scheme stands in it twice")]
    [InlineData("SSH-NG://ruby", "“SSH-NG://” is no place to build")]
    [InlineData("ssh://ruby,kana", "has the character “,”")]
    [InlineData("ssh://ruby:", "no port follows the “:”")]
    public void An_error_names_the_mistake_first_and_a_remedy(string entry, string message)
    {
        var list = Lists.Parse(entry);

        Assert.Empty(list.Builders);
        Assert.Contains(message, list.Problems[0].Message);
        Assert.NotEmpty(list.Problems[0].Recommendation!);
        Assert.All(list.Problems, problem => Assert.Equal(ProblemSeverity.Error, problem.Severity));
    }

    [Fact]
    public void A_system_without_its_second_part_is_a_warning()
    {
        var list = Lists.Parse("ruby x86_64");

        Assert.Equal((ProblemSeverity.Warning, "IncompleteSystem"), (list.Problems[0].Severity, list.Problems[0].Id));
        Assert.Single(list.Builders);
    }

    [Fact]
    public void A_ninth_column_is_a_warning()
    {
        var list = Lists.Parse("ruby - - 1 1 kvm, big-parallel - - more");

        Assert.Equal(["BlankAfterComma", "TooManyColumns"], list.Problems.Select(p => p.Id));
        Assert.Equal([19, 34], list.Problems.Select(p => p.Column));
        Assert.All(list.Problems, p => Assert.Contains("commas", p.Recommendation));
    }

    [Theory]
    [InlineData("@@@", "not base 64")]
    [InlineData("ssh-ed25519", "as in the .pub file")]
    [InlineData("AAAAC3NzaC1lZDI1NTE5AAAAIEzG3g9Tb0yYx1oI1t8cC5kUqD0aQ2mUo3rX0N9rJm1w", "second word of the .pub file")]
    [InlineData(
        "cnVieSBzc2gtZWQyNTUxOSBBQUFBQzNOemFDMWxaREkxTlRFNUFBQUFJRXpHM2c5VGIweVl4MW9JMXQ4Y0M1a1VxRDBhUTJtVW8zclgwTjlySm0xdwo=",
        "line of known_hosts")]
    [InlineData("MjU2IFNIQTI1NjppUE5QRit3ZEplem45ejl6dG4wMiBob3N0IChFRDI1NTE5KQo=", "fingerprint")]
    [InlineData("c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSURuQ1FYbGxsSG9MWDVFdlUrdDZ5", "ends too early")]
    [InlineData("c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSURuQ1FYbGw=", "ends too early")]
    [InlineData("aGVsbG8=", "line of key type and key")]
    [InlineData("c3NoLWVkMjU1MTkgQUFBQQ==", "does not hold a public key")] // ssh-ed25519 AAAA
    // ssh-rsa before an ed25519 key
    [InlineData(
        "c3NoLXJzYSBBQUFBQzNOemFDMWxaREkxTlRFNUFBQUFJRXpHM2c5VGIweVl4MW9JMXQ4Y0M1a1VxRDBhUTJtVW8zclgwTjlySm0xdw==",
        "does not hold a public key")]
    [InlineData("YQpiCg==", "more than one line")]
    public void A_malformed_host_key_is_an_error_that_says_how_to_make_one(string column, string reason)
    {
        var problem = Lists.Problem($"ruby - - - - - - {column}");

        Assert.Equal(("InvalidHostKey", "host key"), (problem.Id, problem.Field));
        Assert.Contains(reason, problem.Message);
        Assert.Contains("base64 -w0", problem.Recommendation);
    }

    [Fact]
    public void A_host_key_needs_no_padding() =>
        Assert.Equal(Lists.HostKey, Lists.Builder($"ruby - - - - - - {Lists.HostKeyColumn.TrimEnd('=')}").HostKey);

    [Fact]
    public void A_bad_entry_tells_all_that_is_wrong_with_it_and_the_others_are_builders()
    {
        var list = Lists.Parse("ruby\nssh://-oProxyCommand=x = - many -1\nkana");

        Assert.Equal(["ruby", "kana"], list.Builders.Select(b => b.Name));
        Assert.Equal(["InvalidStoreUri", "InvalidSystem", "InvalidMaxJobs", "InvalidSpeedFactor"], list.Problems.Select(p => p.Id));
        Assert.All(list.Problems, p => Assert.Equal(2, p.Line));
    }

    [Fact]
    public void A_dash_for_the_address_is_an_error() => Assert.Equal("MissingStoreUri", Lists.Problem("- x86_64-linux").Id);

    [Fact]
    public void A_problem_says_where_it_is_in_one_line() => Assert.Equal(
        "/etc/nix/machines:1:10: maxJobs: “many” is no number of jobs", Lists.Problem("ruby - - many").ToString());

    [Theory]
    [InlineData("auto")]
    [InlineData("daemon")]
    [InlineData("local")]
    [InlineData("unix://")]
    [InlineData("unix:///nix/var/nix/daemon-socket/socket")]
    [InlineData("local://")]
    [InlineData("localhost")]
    [InlineData("ssh://localhost")]
    [InlineData("ssh-ng://localhost?remote-program=nix-daemon")]
    public void An_entry_for_this_machine_is_the_local_builder_and_what_it_leaves_out_is_as_Nix_has_it(string uri)
    {
        var builder = Lists.Builder($"{uri} - - - 4");

        Assert.True(builder.IsLocal);
        Assert.Equal("local", builder.Name);
        Assert.Equal(4, builder.SpeedFactor);
        Assert.Equal(6, builder.MaxJobs);
        Assert.Equal(12, builder.Cores);
        Assert.Equal(["x86_64-linux", "i686-linux"], builder.Systems);
        Assert.Equal(["kvm"], builder.SupportedFeatures);
    }

    [Fact]
    public void A_second_entry_for_this_machine_is_an_error()
    {
        var list = Lists.Parse("auto\nlocalhost");

        Assert.Single(list.Builders);
        Assert.Equal("DuplicateLocalMachine", Assert.Single(list.Problems).Id);
    }

    [Fact]
    public void Another_port_of_localhost_is_another_builder()
    {
        var builder = Lists.Builder("ssh-ng://builder@localhost:31022");

        Assert.False(builder.IsLocal);
        Assert.Equal("localhost", builder.Name);
    }

    [Fact]
    public void A_binary_file_is_one_problem_however_long_it_is()
    {
        var problem = Lists.Problem("\u007fELF\0\0\0\n\n\nruby - - many\n");

        Assert.Equal("MachineListNotText", problem.Id);
    }

    [Theory]
    [InlineData("ru\u001bby")]
    [InlineData("ruby x86_64-\u0007linux")]
    [InlineData("ruby - /root/\u202Eyek")]
    [InlineData("ruby - - - - kv\u200Bm")]
    [InlineData("ruby - - - - - be\fnch")]
    public void Characters_that_a_terminal_obeys_are_errors_and_are_not_repeated(string entry)
    {
        var problem = Lists.Problem(entry);

        Assert.Equal("ControlCharacter", problem.Id);
        Assert.DoesNotContain(problem.Message, c => char.IsControl(c) || c is '\u202E' or '\u200B');
    }

    [Fact]
    public void Messages_do_not_repeat_a_long_text_in_full() =>
        Assert.True(Lists.Problem("ruby - - " + new string('9', 100_000)).Message.Length < 200);

    [Fact]
    public void Any_well_formed_entry_is_read_as_it_was_written()
    {
        var word = Gen.Char["abcdefghijklmnopqrstuvwxyz0123456789"].Array[1, 8].Select(c => new string(c));
        var words = word.List[1, 4].Select(w => w.Distinct().ToArray());
        // A feature of digits alone is warned of: it looks like a number.
        var features = words.Select(all => all.Select(w => "f" + w).ToArray());
        var entries = Gen.Select(word, words, Gen.Int[0, 1000], Gen.Int[1, 400], features, features)
            .Select((host, systems, jobs, quarters, supported, mandatory) =>
                (
                    Host: "h" + host,
                    Systems: systems.Select(s => s + "-linux").ToArray(),
                    Jobs: jobs,
                    Speed: quarters / 4.0,
                    Supported: supported,
                    Mandatory: mandatory));
        var blanks = Gen.OneOf(" ", "\t", "   ", " \t ");

        Gen.Select(entries.List[0, 6], blanks, Gen.OneOf("\n", ";", " # note\n", "\r\n", "\n\n;")).Sample((farm, blank, separator) =>
        {
            var text = string.Join(separator, farm.Select(b => string.Join(
                blank, "ssh-ng://" + b.Host, string.Join(',', b.Systems), "-", b.Jobs, b.Speed, string.Join(',', b.Supported),
                string.Join(',', b.Mandatory))));

            var list = Lists.Parse(text);

            Assert.Empty(list.Problems);
            Assert.Equal(farm.Count, list.Builders.Select(b => b.Name).Distinct(StringComparer.OrdinalIgnoreCase).Count());
            foreach (var (written, read) in farm.Zip(list.Builders))
            {
                Assert.Equal((written.Host, written.Jobs, written.Speed), (read.HostName, read.MaxJobs, read.SpeedFactor));
                Assert.Equal(written.Systems, read.Systems);
                Assert.Equal(written.Supported, read.SupportedFeatures);
                Assert.Equal(written.Mandatory, read.MandatoryFeatures);
            }
        });
    }

    [Fact]
    public void No_text_throws_and_every_entry_is_a_builder_or_an_error()
    {
        var pieces = Gen.OneOf(
            Gen.OneOf(
                "ssh://",
                "ssh-ng://",
                "unix:",
                "@",
                "-",
                " ",
                "\t",
                "\n",
                ";",
                "#",
                ":",
                "[",
                "]",
                "?",
                "=",
                "&",
                "%",
                "%2d",
                "/",
                ",",
                "0",
                "1.5",
                "ruby",
                "x86_64-linux",
                "port",
                "auto"),
            Gen.Char.Select(c => c.ToString()));

        pieces.List[0, 40].Select(string.Concat).Sample(text =>
        {
            var list = Lists.Parse(text);
            var lines = text.Contains('\0') ? 1 : text.Split('\n').Length;
            Assert.All(list.Problems, p => Assert.InRange(p.Line, 1, lines));
            foreach (var builder in list.Builders.Where(b => !b.IsLocal))
            {
                Assert.NotEqual('-', builder.HostName[0]);
                Assert.NotEqual('-', (builder.User ?? "x")[0]);
                Assert.DoesNotContain(builder.HostName + builder.User, c => char.IsWhiteSpace(c) || char.IsControl(c));
            }
            var entries = text.Contains('\0')
                ? 0
                : text.Split('\n').SelectMany(l => l.Split('#')[0].Split(';')).Count(e => e.Trim(' ', '\t', '\r').Length > 0);
            var places = list.Problems.Select(p => p.Line).Distinct().Count();
            Assert.True(list.Builders.Count <= entries);
            Assert.True(list.Builders.Count + places > 0 || entries == 0);
        });
    }
}
