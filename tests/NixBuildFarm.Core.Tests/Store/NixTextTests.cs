using System.Text;
using CsCheck;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Store;

public class NixTextTests
{
    [Fact]
    public void Valid_UTF8_is_read_as_such() => Assert.Equal("café 😀", NixText.GetString(Encoding.UTF8.GetBytes("café 😀")));

    [Fact]
    public void Bytes_that_are_not_UTF8_become_lone_surrogates() =>
        Assert.Equal("caf\uDCE9 é", NixText.GetString([.. "caf"u8, 0xE9, .. " é"u8]));

    [Fact]
    public void Any_bytes_come_back_from_their_string() =>
        Gen.OneOf(Gen.Byte.Array, Generate.Bytes, Gen.Byte[0x80, 0xFF].Array, Gen.String.Select(Encoding.UTF8.GetBytes))
            .Sample(bytes => Assert.Equal(bytes, NixText.GetBytes(NixText.GetString(bytes))));

    [Fact]
    public void UTF8_of_a_surrogate_is_no_UTF8_and_comes_back_as_well()
    {
        byte[] bytes = [0xED, 0xB2, 0x80]; // what an encoder without care makes of U+DC80

        Assert.Equal("\uDCED\uDCB2\uDC80", NixText.GetString(bytes));
        Assert.Equal(bytes, NixText.GetBytes("\uDCED\uDCB2\uDC80"));
    }

    [Theory]
    [InlineData(0xD800)]
    [InlineData(0xDC00)]
    [InlineData(0xDC7F)]
    [InlineData(0xDD00)]
    public void A_surrogate_that_stands_for_no_byte_is_refused(int surrogate) =>
        Assert.Throws<ArgumentException>(() => NixText.GetBytes($"a{(char)surrogate}b"));

    [Fact]
    public void Strings_are_ordered_by_their_bytes() =>
        Gen.Select(Generate.Bytes, Generate.Bytes).Sample((left, right) =>
            Assert.Equal(
                Math.Sign(left.AsSpan().SequenceCompareTo(right)),
                Math.Sign(NixText.Compare(NixText.GetString(left), NixText.GetString(right)))));

    [Fact]
    public void The_order_of_bytes_is_not_that_of_UTF16() => Assert.True(NixText.Compare("\uFB01", "😀") < 0);
}
