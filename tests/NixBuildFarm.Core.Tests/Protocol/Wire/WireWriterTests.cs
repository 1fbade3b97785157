using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Protocol.Wire;

public class WireWriterTests
{
    private static readonly StorePath Hello = StorePath.Parse("/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y-hello");

    [Theory]
    [InlineData(0UL, "0000000000000000")]
    [InlineData(1UL, "0100000000000000")]
    [InlineData(0x6478696fUL, "6F69786400000000")]
    [InlineData(0x0123456789ABCDEFUL, "EFCDAB8967452301")]
    [InlineData(ulong.MaxValue, "FFFFFFFFFFFFFFFF")]
    public void A_number_is_eight_bytes_with_the_lowest_first(ulong number, string bytes) =>
        Assert.Equal(bytes, Written(writer => writer.WriteUInt64(number)));

    [Theory]
    [InlineData("", "0000000000000000")]
    [InlineData("a", "0100000000000000" + "6100000000000000")]
    [InlineData("1234567", "0700000000000000" + "3132333435363700")]
    [InlineData("12345678", "0800000000000000" + "3132333435363738")]
    [InlineData("123456789", "0900000000000000" + "3132333435363738" + "3900000000000000")]
    [InlineData("ö", "0200000000000000" + "C3B6000000000000")]
    public void A_text_is_its_length_its_bytes_and_zeros_up_to_a_multiple_of_eight(string text, string bytes) =>
        Assert.Equal(bytes, Written(writer => writer.WriteString(text)));

    [Fact]
    public void A_text_that_is_not_utf_8_keeps_its_bytes() =>
        Assert.Equal("0300000000000000" + "61FF620000000000", Written(writer => writer.WriteString(NixText.GetString([0x61, 0xFF, 0x62]))));

    [Fact]
    public void A_truth_value_is_a_number() =>
        Assert.Equal(
            "0100000000000000" + "0000000000000000",
            Written(writer =>
            {
                writer.WriteBool(true);
                writer.WriteBool(false);
            }));

    [Fact]
    public void A_store_path_is_its_whole_text_and_none_is_an_empty_text()
    {
        Assert.Equal(Convert.ToHexString(ProtocolBytes.Of(Hello.ToString())), Written(writer => writer.WriteStorePath(Hello)));
        Assert.Equal("0000000000000000", Written(writer => writer.WriteStorePath(null)));
    }

    [Fact]
    public void A_sequence_is_its_count_and_its_items()
    {
        Assert.Equal(
            "0200000000000000" + "0100000000000000" + "6100000000000000" + "0000000000000000",
            Written(writer => writer.WriteStrings(["a", ""])));
        Assert.Equal("0000000000000000", Written(writer => writer.WriteStorePaths([])));
    }

    [Fact]
    public void A_map_is_its_count_and_its_pairs() =>
        Assert.Equal(
            "0100000000000000" + "0100000000000000" + "6B00000000000000" + "0100000000000000" + "7600000000000000",
            Written(writer => writer.WriteStringMap(new Dictionary<string, string> { ["k"] = "v" })));

    [Fact]
    public void A_negative_number_cannot_be_written() =>
        Assert.Throws<OverflowException>(() => new WireWriter().WriteInt64(-1));

    [Fact]
    public void A_cleared_buffer_is_written_over()
    {
        var writer = new WireWriter();
        writer.WriteString("a text of some length");
        writer.Clear();
        writer.WriteString("b");

        Assert.Equal("0100000000000000" + "6200000000000000", Convert.ToHexString(writer.Written.Span));
    }

    private static string Written(Action<WireWriter> write)
    {
        var writer = new WireWriter();
        write(writer);
        return Convert.ToHexString(writer.Written.Span);
    }
}
