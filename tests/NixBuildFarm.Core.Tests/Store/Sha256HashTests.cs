using System.Security.Cryptography;
using CsCheck;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Store;

public class Sha256HashTests
{
    private const string Hex = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    private const string Base32 = "00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq";
    private const string Base64 = "WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=";

    /// <summary>The forms are those that <c>nix-hash</c> and <c>nix hash</c> of Nix 2.8.0 print for these bytes.</summary>
    private static readonly Sha256Hash Hello = new(SHA256.HashData("hello\n"u8));

    [Fact]
    public void It_is_written_as_Nix_writes_it()
    {
        Assert.Equal(Hex, Hello.ToHex());
        Assert.Equal(Base32, Hello.ToBase32());
        Assert.Equal("sha256:" + Hex, Hello.ToString());
    }

    [Theory]
    [InlineData("sha256:" + Hex)]
    [InlineData("sha256:" + Base32)]
    [InlineData("sha256:" + Base64)]
    [InlineData("sha256-" + Base64)]
    public void Every_form_is_read(string text) => Assert.Equal(Hello, Sha256Hash.Parse(text));

    [Fact]
    public void Any_digest_comes_back_from_each_of_its_forms() =>
        Gen.Byte.Array[32].Select(bytes => new Sha256Hash(bytes)).Sample(hash =>
        {
            Assert.Equal(hash, Sha256Hash.ParseHex(hash.ToHex()));
            Assert.Equal(hash, Sha256Hash.Parse(hash.ToString()));
            Assert.Equal(hash, Sha256Hash.Parse("sha256:" + hash.ToBase32()));
        });

    [Theory]
    [InlineData("")]
    [InlineData("sha256")]
    [InlineData("sha256:")]
    [InlineData(Hex)]
    [InlineData("sha1:" + Hex)]
    [InlineData("sha256-" + Hex)]
    [InlineData("sha256-" + Base32)]
    [InlineData("sha256:" + Hex + "0")]
    [InlineData("sha256:" + "z" + "0vyysm4g8d2hk87dbv72fy4q6xjvfns27zi1w46zpndbns1dww5")]
    [InlineData("sha256:x891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")]
    [InlineData("sha256-WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgN=")]
    [InlineData("sha256-WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM= ")]
    [InlineData("sha256-WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2")]
    public void Anything_else_is_refused(string text) => Assert.Throws<FormatException>(() => Sha256Hash.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("sha256:" + Hex)]
    [InlineData("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be0")]
    [InlineData("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be0x")]
    public void A_hash_that_is_not_64_hex_digits_is_refused(string text) =>
        Assert.Contains("64 hex digits expected", Assert.Throws<FormatException>(() => Sha256Hash.ParseHex(text)).Message);

    [Fact]
    public void Digests_are_equal_when_their_bytes_are()
    {
        Assert.True(Hello == Sha256Hash.ParseHex(Hex.ToUpperInvariant()));
        Assert.Equal(Hello.GetHashCode(), Sha256Hash.ParseHex(Hex).GetHashCode());
        Assert.True(Hello != default);
        Assert.Equal(default, new Sha256Hash(new byte[32]));
    }
}
