using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;

namespace NixBuildFarm.Core.Tests.Builders;

public class BuilderUriTests
{
    [Theory]
    [InlineData("ruby", StoreScheme.Ssh, null, "ruby", null)]
    [InlineData("nix@ruby", StoreScheme.Ssh, "nix", "ruby", null)]
    [InlineData("ruby:2222", StoreScheme.Ssh, null, "ruby", 2222)]
    [InlineData("ssh://ruby", StoreScheme.Ssh, null, "ruby", null)]
    [InlineData("ssh-ng://ruby/", StoreScheme.SshNg, null, "ruby", null)]
    [InlineData("ssh-ng://nix@ruby.example.org:22", StoreScheme.SshNg, "nix", "ruby.example.org", 22)]
    [InlineData("ssh://192.168.5.101", StoreScheme.Ssh, null, "192.168.5.101", null)]
    [InlineData("ssh://[::1]", StoreScheme.Ssh, null, "::1", null)]
    [InlineData("ssh://[::1]:65535", StoreScheme.Ssh, null, "::1", 65535)]
    [InlineData("nix@[2001:db8::7]:2222", StoreScheme.Ssh, "nix", "2001:db8::7", 2222)]
    [InlineData("ssh://2001:db8::7", StoreScheme.Ssh, null, "2001:db8::7", null)]
    [InlineData("ssh://[fe80::1%25eth0]", StoreScheme.Ssh, null, "fe80::1%eth0", null)]
    [InlineData("ssh://[fe80::1%eth0]:22", StoreScheme.Ssh, null, "fe80::1%eth0", 22)]
    [InlineData("ssh://nix@corp@ruby", StoreScheme.Ssh, "nix@corp", "ruby", null)]
    [InlineData("ssh://nix%40corp@ruby", StoreScheme.Ssh, "nix@corp", "ruby", null)]
    [InlineData("ssh://CORP\\nix@ruby", StoreScheme.Ssh, "CORP\\nix", "ruby", null)]
    [InlineData("ssh://build_box-1", StoreScheme.Ssh, null, "build_box-1", null)]
    [InlineData("ssh://bücherwurm", StoreScheme.Ssh, null, "bücherwurm", null)]
    [InlineData("ssh://ruby?port=2222", StoreScheme.Ssh, null, "ruby", 2222)]
    [InlineData("ssh://ruby:2222?port=2222", StoreScheme.Ssh, null, "ruby", 2222)]
    [InlineData("ssh://local", StoreScheme.Ssh, null, "local", null)]
    public void An_address_has_scheme_user_host_and_port(string uri, StoreScheme scheme, string? user, string host, int? port)
    {
        var builder = Lists.Builder(uri);

        Assert.Equal((scheme, user, host, port), (builder.Scheme, builder.User, builder.HostName, builder.Port));
    }

    [Theory]
    [InlineData("ssh://-oProxyCommand=touch")]
    [InlineData("-oProxyCommand=touch")]
    [InlineData("ssh-ng://nix@-v")]
    [InlineData("ssh://-l@ruby")]
    [InlineData("ssh://%2dl@ruby")]
    [InlineData("ssh://ni%20x@ruby")]
    [InlineData("ssh://nix%0a@ruby")]
    [InlineData("ssh://ni$(x)@ruby")]
    [InlineData("ssh://ru`x`by")]
    [InlineData("ssh://ruby$(x)")]
    [InlineData("ssh://ruby|x")]
    [InlineData("ssh://ru%62y")]
    [InlineData("ssh://ruby*")]
    [InlineData("ssh://ru'by")]
    [InlineData("ssh://ru\u00A0by")]
    [InlineData("ssh://")]
    [InlineData("ssh:///")]
    [InlineData("ssh://@ruby")]
    [InlineData("ssh://nix@")]
    [InlineData("ssh://ruby:")]
    [InlineData("ssh://ruby:0")]
    [InlineData("ssh://ruby:65536")]
    [InlineData("ssh://ruby:ssh")]
    [InlineData("ssh://ruby:-1")]
    [InlineData("ssh://ruby:22:22")]
    [InlineData("ssh://[::1")]
    [InlineData("ssh://[ruby]:22")]
    [InlineData("ssh://[::1]22")]
    [InlineData("ssh://[127.0.0.1]")]
    [InlineData("ssh://[fe80::1%$(x)]")]
    [InlineData("ssh://ruby/nix/store")]
    [InlineData("ssh://ruby?port=0")]
    [InlineData("ssh://ruby:22?port=2222")]
    [InlineData("ssh://ruby?compress")]
    [InlineData("ssh://ruby?compress=maybe")]
    [InlineData("ssh://ruby?compress=true&compress=false")]
    [InlineData("ssh://ruby?max-connections=0")]
    [InlineData("ssh://ruby?max-connections=-2")]
    [InlineData("ssh://ruby?ssh-key=%2")]
    [InlineData("ssh://ruby?ssh-key=%zz")]
    [InlineData("ssh://ruby?ssh-key=%0a")]
    [InlineData("ssh://ruby?remote-store=%1b")]
    public void A_malformed_builder_address_is_an_error(string uri)
    {
        var list = Lists.Parse(uri + "\nkana");

        Assert.Equal(["kana"], list.Builders.Select(b => b.Name));
        var problem = Assert.Single(list.Problems);
        Assert.Equal(("InvalidStoreUri", "store URI", 1, 1), (problem.Id, problem.Field, problem.Line, problem.Column));
        Assert.NotNull(problem.Recommendation);
    }

    [Fact]
    public void A_host_may_not_be_longer_than_a_name_can_be() =>
        Assert.Equal("InvalidStoreUri", Lists.Problem("ssh://" + new string('a', 256)).Id);

    [Fact]
    public void A_password_is_refused_and_not_repeated()
    {
        var problem = Lists.Problem("ssh://nix:hunter2@ruby");

        Assert.Contains("password", problem.Message);
        Assert.DoesNotContain("hunter2", problem.ToString() + problem.Recommendation);
    }

    [Theory]
    [InlineData("https://cache.nixos.org")]
    [InlineData("s3://bucket")]
    [InlineData("file:///srv/cache")]
    [InlineData("mounted-ssh-ng://ruby")]
    [InlineData("SSH://ruby")]
    [InlineData("/mnt")]
    [InlineData("unix:///run/other/socket")]
    [InlineData("local:///mnt")]
    [InlineData("local?root=/mnt")]
    [InlineData("auto?store=/other")]
    [InlineData("ssh://localhost?remote-store=/mnt")]
    public void Stores_that_are_no_builders_are_refused(string uri)
    {
        var problem = Lists.Problem(uri);

        Assert.Equal(("UnsupportedStore", ProblemSeverity.Error), (problem.Id, problem.Severity));
    }

    [Fact]
    public void Parameters_are_decoded()
    {
        var builder = Lists.Builder(
            "ssh-ng://ruby?ssh-key=/home/nix%20user/key&compress=true&remote-store=local%3Froot%3D/mnt"
            + "&remote-program=/opt/nix/bin/nix-daemon%20--foo&max-connections=4&port=2222&system-features=kvm%20nixos-test"
            + $"&base64-ssh-public-host-key={Lists.HostKeyColumn}");

        Assert.Equal("/home/nix user/key", builder.IdentityFile);
        Assert.True(builder.Compress);
        Assert.Equal("local?root=/mnt", builder.RemoteStore);
        Assert.Equal(["/opt/nix/bin/nix-daemon", "--foo"], builder.RemoteProgram);
        Assert.Equal(4, builder.MaxConnections);
        Assert.Equal(2222, builder.Port);
        Assert.Equal(["kvm", "nixos-test"], builder.SupportedFeatures);
        Assert.Equal(Lists.HostKey, builder.HostKey);
    }

    [Fact]
    public void A_bare_host_can_have_parameters() =>
        Assert.Equal(["/opt/nix-daemon"], Lists.Builder("ruby?remote-program=/opt/nix-daemon").RemoteProgram);

    [Fact]
    public void Columns_win_over_parameters_and_features_add_up()
    {
        var builder = Lists.Builder("ssh://ruby?ssh-key=/a&system-features=kvm - /b - - benchmark,kvm");

        Assert.Equal("/b", builder.IdentityFile);
        Assert.Equal(["benchmark", "kvm"], builder.SupportedFeatures);
    }

    [Fact]
    public void A_bad_host_key_in_a_parameter_is_an_error() =>
        Assert.Equal("InvalidHostKey", Lists.Problem("ssh://ruby?base64-ssh-public-host-key=aGVsbG8").Id);

    [Fact]
    public void An_unknown_parameter_is_a_warning_and_the_builder_is_used()
    {
        var list = Lists.Parse("ssh://ruby?priority=3&speed=high");

        Assert.Single(list.Builders);
        Assert.All(list.Problems, p => Assert.Equal((ProblemSeverity.Warning, "UnknownParameter"), (p.Severity, p.Id)));
        Assert.Equal(2, list.Problems.Count);
    }
}
