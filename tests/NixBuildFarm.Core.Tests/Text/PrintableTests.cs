using NixBuildFarm.Text;

namespace NixBuildFarm.Core.Tests.Text;

public class PrintableTests
{
    [Theory]
    [InlineData("a\u001b[31mb", "a\\u001B[31mb", "a\ufffd[31mb")]
    [InlineData("a\u202eb", "a\\u202Eb", "a\ufffdb")]
    [InlineData("a\u2028b\u2029", "a\\u2028b\\u2029", "a\ufffdb\ufffd")]
    [InlineData("tab\tend", "tab\\u0009end", "tab\ufffdend")]
    [InlineData("grün 漢字 🙂", "grün 漢字 🙂", "grün 漢字 🙂")]
    public void Unprintable_characters_are_escaped_or_replaced(string text, string escaped, string replaced)
    {
        Assert.Equal(escaped, Printable.Escaped(text));
        Assert.Equal(replaced, Printable.Replaced(text));
    }

    [Fact]
    public void Long_text_is_shortened()
    {
        Assert.Equal(new string('x', 80) + '…', Printable.Escaped(new string('x', 81)));
        Assert.Equal(new string('x', 200) + '…', Printable.Replaced(new string('x', 201)));
        Assert.Equal(new string('x', 80), Printable.Escaped(new string('x', 80)));
        Assert.Equal(new string('x', 200), Printable.Replaced(new string('x', 200)));
    }
}
