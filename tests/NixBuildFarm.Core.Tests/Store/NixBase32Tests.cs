using CsCheck;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Store;

public class NixBase32Tests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("00", "00")]
    [InlineData("1f", "0z")]
    [InlineData("ff", "7z")]
    [InlineData("0100", "0001")]
    [InlineData("0080", "1000")]
    public void The_first_byte_is_the_lowest(string hex, string text)
    {
        Assert.Equal(text, NixBase32.Encode(Convert.FromHexString(hex)));
        Assert.Equal(hex, Convert.ToHexString(NixBase32.Decode(text)).ToLowerInvariant());
    }

    [Fact]
    public void Any_bytes_come_back_from_their_digits() =>
        Gen.Byte.Array[0, 70].Sample(bytes => Assert.Equal(bytes, NixBase32.Decode(NixBase32.Encode(bytes))));

    [Fact]
    public void Digits_are_refused_or_come_back_from_their_bytes() =>
        Gen.Int[0, 31].Array[0, 20].Select(digits => string.Concat(digits.Select(digit => "0123456789abcdfghijklmnpqrsvwxyz"[digit])))
            .Sample(text =>
        {
            try
            {
                Assert.Equal(text, NixBase32.Encode(NixBase32.Decode(text)));
            }
            catch (FormatException error)
            {
                Assert.Contains(text, error.Message);
            }
        });

    [Theory]
    [InlineData("0", "no bytes give 1 digits")]
    [InlineData("000", "no bytes give 3 digits")]
    [InlineData("80", "its first digit is too large")]
    [InlineData("zz", "its first digit is too large")]
    [InlineData("0e", "no digit at 1")]
    [InlineData("0A", "no digit at 1")]
    [InlineData("é0", "no digit at 0")]
    public void A_text_that_no_bytes_encode_to_is_refused(string text, string reason) =>
        Assert.Contains(reason, Assert.Throws<FormatException>(() => NixBase32.Decode(text)).Message);
}
