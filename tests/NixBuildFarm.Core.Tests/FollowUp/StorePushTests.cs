using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Core.Tests.Store;
using NixBuildFarm.FollowUp;

namespace NixBuildFarm.Core.Tests.FollowUp;

/// <summary>Which store a push names to Nix, and what of it others see.</summary>
public sealed class StorePushTests
{
    [Theory]
    [InlineData("s3://cache?region=eu", "s3://cache?region=eu&secret-key=KEY")]
    [InlineData("file:///srv/cache", "file:///srv/cache?secret-key=KEY")]
    [InlineData("https://cache.example.org?secret-key=/mine", "https://cache.example.org?secret-key=/mine")]
    [InlineData("https://cache.example.org?secret-keys=/mine", "https://cache.example.org?secret-keys=/mine")]
    [InlineData("ssh-ng://host", "ssh-ng://host")]
    public void A_binary_cache_without_a_key_of_its_own_is_signed_for_with_the_key_of_this_machine(string store, string signed)
    {
        using var keys = new TemporaryFolder();
        File.WriteAllText(keys["a"], "cache:key");

        Assert.Equal(
            signed.Replace("KEY", Uri.EscapeDataString(keys["a"])),
            new StorePush([keys["a"], keys["b"]], Assert.Fail, TimeProvider.System).Signed(store));
        Assert.Equal(store, new StorePush([], Assert.Fail, TimeProvider.System).Signed(store));
    }

    [Fact]
    public void A_key_that_this_user_cannot_read_is_told_of_once_and_signs_nothing()
    {
        using var keys = new TemporaryFolder();
        var warnings = new List<string>();
        var push = new StorePush([keys["missing"]], warnings.Add, TimeProvider.System);

        Assert.Equal(["s3://cache", "s3://cache"], [push.Signed("s3://cache"), push.Signed("s3://cache")]);

        Assert.Contains(keys["missing"], Assert.Single(warnings));
    }

    [Theory]
    [InlineData("https://user:secret@cache.example.org")]
    [InlineData("http://user:secret@cache.example.org/x")]
    public void A_password_in_a_uri_is_refused_with_the_place_where_it_belongs(string store)
    {
        Assert.Contains("netrc-file", StoreUri.WhyNot(store));

        var e = Assert.Throws<ArgumentOutOfRangeException>(() => new BuilderPolicy { PushTo = [store] });

        Assert.DoesNotContain("secret", e.Message);
    }

    [Fact]
    public void A_password_is_not_shown_where_Nix_says_it() => Assert.Equal(
        "unable to upload 'https://cache.example.org/nar/x'",
        StoreUri.WithoutSecretsOf(
            "https://user:secret@cache.example.org", "unable to upload 'https://user:secret@cache.example.org/nar/x'"));

    [Theory]
    [InlineData("s3://cache", null)]
    [InlineData("file:///srv/cache?compression=zstd", null)]
    [InlineData("ssh-ng://alice@host", null)]
    [InlineData("/srv/cache", "it does not begin with a kind of store, such as s3://")]
    [InlineData("--option://x", "“--option” is no kind of store")]
    [InlineData("s3://", "it names no place")]
    [InlineData("s3://a\nb", "it has blanks")]
    [InlineData("", "it does not begin with a kind of store, such as s3://")]
    public void A_text_that_names_no_store_is_refused(string text, string? why) => Assert.Equal(why, StoreUri.WhyNot(text));

    [Theory]
    [InlineData("https://user:secret@cache.example.org/x@y?z=@", "https://cache.example.org/x@y?z=@")]
    [InlineData("https://cache.example.org", "https://cache.example.org")]
    [InlineData("ssh-ng://alice@host", "ssh-ng://alice@host")]
    public void A_password_is_not_shown(string store, string shown) => Assert.Equal(shown, StoreUri.WithoutSecrets(store));
}
