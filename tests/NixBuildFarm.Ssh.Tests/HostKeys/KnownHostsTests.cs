using NixBuildFarm.Ssh.HostKeys;

namespace NixBuildFarm.Ssh.Tests.HostKeys;

public class KnownHostsTests
{
    // Public keys only, made for these tests.
    private const string Ruby = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHaGHfyiYoRHXoKABWtECFHyKvMPEeydd1F23pXcGqzh";
    private const string Other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOFL2FCLBAoLKeOvBQCLbVRtnBKhnpqOWy5dyMjX1sXa";
    private const string RubyEcdsa =
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMM9JWpWWBs8IaUUTBW7vFRMk4Hu6zLHLQTRd3XfFHDdOFZLCRHKDxVJhvBlxCd3L3kEUIz9bxVEzJ9dMdVNcSo=";

    private static readonly HostName Host = new("ruby", 22);

    [Theory]
    [InlineData("ruby", "ruby", true)]
    [InlineData("ruby", "Ruby", true)]
    [InlineData("ruby", "kana", false)]
    [InlineData("ruby", "ruby.example.org", false)]
    [InlineData("kana,ruby,10.0.0.7", "10.0.0.7", true)]
    [InlineData("*.example.org", "ruby.example.org", true)]
    [InlineData("*.example.org", "example.org", false)]
    [InlineData("rub?", "ruby", true)]
    [InlineData("*.example.org,!ruby.example.org", "ruby.example.org", false)]
    [InlineData("*.example.org,!ruby.example.org", "kana.example.org", true)]
    [InlineData("!ruby", "kana", false)]
    [InlineData("[ruby]:2222", "[ruby]:2222", true)]
    [InlineData("[ruby]:2222", "ruby", false)]
    [InlineData("[*]:2222", "[ruby]:2222", true)]
    public void A_line_is_about_the_hosts_that_its_patterns_match(string patterns, string name, bool covered)
    {
        Assert.True(KnownHost.TryParse($"{patterns} {Ruby}", "known_hosts", 1, out var line));
        Assert.Equal(covered, line.Covers(name));
    }

    [Theory]
    [InlineData("ruby", true)]
    [InlineData("kana", false)]
    public void A_hashed_name_is_recognised(string name, bool covered)
    {
        var file = Path.GetTempFileName();
        File.WriteAllText(file, $"ruby {Ruby}\n");
        SshServer.Run("ssh-keygen", "-q", "-H", "-f", file);
        var hashed = File.ReadAllText(file);
        File.Delete(file);
        File.Delete(file + ".old");

        Assert.StartsWith("|1|", hashed);
        Assert.True(KnownHost.TryParse(hashed, "known_hosts", 1, out var line));
        Assert.Equal(covered, line.Covers(name));
    }

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("# a comment")]
    [InlineData("ruby")]
    [InlineData("ruby ssh-ed25519")]
    [InlineData("ruby ssh-ed25519 !!!!")]
    [InlineData("ruby ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIHaGHfyiYoRHXoKABWtECFHyKvMPEeydd1F23pXcGqzh")]
    [InlineData("ruby ssh-ed25519 AAAA")]
    [InlineData("@unheard-of ruby " + Ruby)]
    [InlineData("|1|only-salt " + Ruby + " x")]
    public void Comments_and_malformed_lines_are_about_nobody(string line) =>
        Assert.Equal(HostKeyStatus.Unknown, Check(line, Ruby).Status);

    [Fact]
    public void The_known_key_matches()
    {
        var verdict = Check($"# mine\n\nruby {Ruby} comment here", Ruby);

        Assert.Equal((HostKeyStatus.Matches, "known_hosts:3"), (verdict.Status, verdict.Line?.Place));
    }

    [Fact]
    public void A_host_without_a_line_is_unknown() =>
        Assert.Equal(new HostKeyVerdict(HostKeyStatus.Unknown, null), Check($"kana {Ruby}", Ruby));

    [Fact]
    public void Another_key_of_the_same_type_has_changed()
    {
        var verdict = Check($"ruby {RubyEcdsa}\nruby {Ruby}", Other);

        Assert.Equal((HostKeyStatus.Changed, "known_hosts:2"), (verdict.Status, verdict.Line?.Place));
    }

    [Fact]
    public void A_key_of_another_type_than_the_known_one_has_changed_too() =>
        Assert.Equal(HostKeyStatus.Changed, Check($"ruby {RubyEcdsa}", Ruby).Status);

    [Fact]
    public void One_of_several_known_keys_is_enough() =>
        Assert.Equal(HostKeyStatus.Matches, Check($"ruby {Other}\nruby {Ruby}", Ruby).Status);

    [Fact]
    public void A_revoked_key_is_refused_even_where_it_is_known()
    {
        var verdict = Check($"ruby {Ruby}\n@revoked * {Ruby}", Ruby);

        Assert.Equal((HostKeyStatus.Revoked, "known_hosts:2"), (verdict.Status, verdict.Line?.Place));
    }

    [Fact]
    public void An_authority_is_no_hosts_key() =>
        Assert.Equal(HostKeyStatus.Unknown, Check($"@cert-authority ruby {Ruby}", Ruby).Status);

    [Theory]
    [InlineData("[ruby]:2222", true)]
    [InlineData("ruby", true)] // known without its port: good enough for OpenSSH
    [InlineData("[ruby]:2223", false)]
    public void Another_port_has_a_name_of_its_own(string name, bool matches) =>
        Assert.Equal(matches, Known($"{name} {Ruby}").Check(new HostName("ruby", 2222), Key(Ruby)).Status == HostKeyStatus.Matches);

    [Fact]
    public void The_key_of_another_port_is_not_missed_on_this_one() =>
        Assert.Equal(HostKeyStatus.Unknown, Known($"ruby {Ruby}").Check(new HostName("ruby", 2222), Key(Other)).Status);

    [Fact]
    public void The_types_of_a_hosts_keys_are_known() =>
        Assert.Equal(
            ["ecdsa-sha2-nistp256", "ssh-ed25519"], Known($"ruby {RubyEcdsa}\nruby {Ruby}\nkana {Other}\nruby {Other}").KeyTypes(Host));

    [Fact]
    public void A_certificate_of_a_known_authority_is_as_good_as_the_key() =>
        Assert.Equal(HostKeyStatus.Matches, CheckCertificate(["ruby", "ruby.example.org"]).Status);

    [Theory]
    [InlineData("rub*")]
    [InlineData("*")]
    [InlineData("RUBY")]
    public void A_certificate_names_its_hosts_whole(string principal) =>
        Assert.Equal(HostKeyStatus.Unknown, CheckCertificate([principal]).Status);

    [Fact]
    public void A_certificate_for_other_hosts_proves_nothing() => Assert.Equal(HostKeyStatus.Unknown, CheckCertificate(["kana"]).Status);

    [Fact]
    public void A_certificate_for_nobody_in_particular_proves_nothing() => Assert.Equal(HostKeyStatus.Unknown, CheckCertificate([]).Status);

    [Fact]
    public void A_users_certificate_proves_nothing_about_a_host() =>
        Assert.Equal(HostKeyStatus.Unknown, CheckCertificate(["ruby"], isForHost: false).Status);

    [Fact]
    public void A_certificate_with_an_option_that_nobody_understands_proves_nothing() =>
        Assert.Equal(HostKeyStatus.Unknown, CheckCertificate(["ruby"], options: ["only-on-sundays"]).Status);

    [Fact]
    public void A_certificate_of_an_authority_for_other_hosts_proves_nothing() =>
        Assert.Equal(HostKeyStatus.Unknown, CheckCertificate(["ruby"], known: $"@cert-authority *.example.org {Other}").Status);

    [Fact]
    public void A_revoked_authority_is_refused() =>
        Assert.Equal(HostKeyStatus.Revoked, CheckCertificate(["ruby"], known: $"@cert-authority * {Other}\n@revoked * {Other}").Status);

    [Theory]
    [InlineData("ruby", true)]
    [InlineData("kana", false)]
    public void It_is_known_whether_an_authority_may_certify_a_host(string pattern, bool may) =>
        Assert.Equal(may, Known($"@cert-authority {pattern} {Other}").HasAuthority(Host));

    [Fact]
    public void A_fingerprint_reads_as_OpenSSH_writes_it()
    {
        var file = Path.GetTempFileName();
        File.WriteAllText(file, Ruby + "\n");

        Assert.Contains(Key(Ruby).Fingerprint, SshServer.Run("ssh-keygen", "-lf", file));
        File.Delete(file);
    }

    private static KnownHosts Known(string text) => KnownHosts.Parse([("known_hosts", text)]);

    private static HostKeyVerdict Check(string known, string offered) => Known(known).Check(Host, Key(offered));

    private static HostKeyVerdict CheckCertificate(
        IReadOnlyList<string> principals, bool isForHost = true, IReadOnlyList<string>? options = null,
        string known = $"@cert-authority * {Other}") =>
        Known(known).Check(Host, Key(Ruby), new HostCertificate(Key(Other), isForHost, principals, options ?? [], "ssh-ed25519"));

    private static HostKey Key(string line) => HostKey.TryParse(line, out var key) ? key : throw new FormatException(line);
}
