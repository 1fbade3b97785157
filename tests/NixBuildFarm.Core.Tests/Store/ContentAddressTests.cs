using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Store;

/// <summary>With what Nix 2.8.0 says of paths that it has made.</summary>
public class ContentAddressTests
{
    private const string FloatingLib = "/nix/store/d8xa3rahjw8wl17y83hk0nzqf3gnmh4m-floating-lib";
    private const string PlainDev = "/nix/store/db59fsqk2phli23809y5fylyw7jiai9n-plain-dev";

    [Theory]
    [InlineData("/nix/store/a6m4a1jyygz3gnjv2qhsk1iib4wywm49-text", "text:sha256:0dvnf889dnj0p5kq9ij5297xy6f27rvr4j29ha75x59qzmdsvj0j")]
    [InlineData("/nix/store/21ms7ghwn3cz7qfanbs3xyg5wm36a4y2-fixed", "fixed:sha256:0d75vbn546fz9d9ip0f03daqhpm99h3fv14ci4afcmk3ir0p2c0c")]
    [InlineData("/nix/store/44fx5dr1z4aympw4bh44nfsksbpglh2p-flat", "fixed:sha1:pplp5izjnj9j7sbk2hwv7dkbswqf61yj")]
    [InlineData(FloatingLib, "fixed:r:sha256:1n2b497fby95bm0h69nrz7x2afjy662kgpkrgyv1ij3hsnf8pcrs", FloatingLib)]
    [InlineData(
        "/nix/store/fnwv8vg3zyr9fakg4qlzc1ld06x68c8k-floating",
        "fixed:r:sha256:0070zlqi2mgiwklpd7qz60qpb7wi292jp8sd3530zngw2pzyikm0",
        PlainDev,
        FloatingLib)]
    public void A_path_follows_from_its_content_address_name_and_references(string path, string address, params string[] references)
    {
        var info = Info(path, address, references);

        Assert.True(ContentAddress.Gives(info));
        Assert.False(
            ContentAddress.Gives(
                info with { References = [.. info.References, StorePath.Parse("/nix/store/00000000000000000000000000000000-other")] }));
        Assert.False(ContentAddress.Gives(info with { References = info.References.Count > 0 ? [] : [info.Path] }));
        Assert.False(ContentAddress.Gives(info with { Path = StorePath.Parse(path + "2") }));
        Assert.False(ContentAddress.Gives(info with { ContentAddress = null }));
    }

    [Theory]
    [InlineData("")]
    [InlineData("fixed:")]
    [InlineData("fixed:r:sha256:")]
    [InlineData("fixed:r:sha256:0070zlqi2mgiwklpd7qz60qpb7wi292jp8sd3530zngw2pzyikm")]
    [InlineData("fixed:r:sha256:zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")]
    [InlineData("fixed:r:sha1:0070zlqi2mgiwklpd7qz60qpb7wi292jp8sd3530zngw2pzyikm0")]
    [InlineData("fixed:x:sha256:0070zlqi2mgiwklpd7qz60qpb7wi292jp8sd3530zngw2pzyikm0")]
    [InlineData("text:sha1:pplp5izjnj9j7sbk2hwv7dkbswqf61yj")]
    [InlineData("other:sha256:0070zlqi2mgiwklpd7qz60qpb7wi292jp8sd3530zngw2pzyikm0")]
    public void A_malformed_content_address_gives_no_path(string address) => Assert.False(ContentAddress.TryParse(address, out _));

    [Theory]
    [InlineData("fixed:r:sha256:0070zlqi2mgiwklpd7qz60qpb7wi292jp8sd3530zngw2pzyikm0", "r:sha256")]
    [InlineData("fixed:sha1:pplp5izjnj9j7sbk2hwv7dkbswqf61yj", "sha1")]
    [InlineData("fixed:git:sha1:pplp5izjnj9j7sbk2hwv7dkbswqf61yj", "git:sha1")]
    [InlineData("text:sha256:0dvnf889dnj0p5kq9ij5297xy6f27rvr4j29ha75x59qzmdsvj0j", "text:sha256")]
    public void It_says_how_the_content_was_hashed_as_derivations_do(string text, string method)
    {
        Assert.True(ContentAddress.TryParse(text, out var address));
        Assert.Equal(method, address.Method);
    }

    [Fact]
    public void That_a_NAR_has_another_hash_shows_where_it_must_have_that_of_the_content()
    {
        const string Address = "fixed:r:sha256:0070zlqi2mgiwklpd7qz60qpb7wi292jp8sd3530zngw2pzyikm0";
        var info = Info("/nix/store/fnwv8vg3zyr9fakg4qlzc1ld06x68c8k-floating", Address) with
        {
            NarHash = Sha256Hash.Parse("sha256-oM7o/xX82Q9GGU2jK0USkZ91MTAfn3bp5PFVETH94AA="),
        };

        Assert.True(ContentAddress.Fits(info));
        Assert.False(ContentAddress.Fits(info with { NarHash = new Sha256Hash(new byte[32]) }));
        Assert.True(ContentAddress.Fits(info with { References = [info.Path], NarHash = new Sha256Hash(new byte[32]) }));
    }

    private static PathInfo Info(string path, string address, params string[] references) => new()
    {
        Path = StorePath.Parse(path),
        NarHash = new Sha256Hash(new byte[32]),
        NarSize = 120,
        References = [.. references.Select(StorePath.Parse)],
        ContentAddress = address,
    };
}
