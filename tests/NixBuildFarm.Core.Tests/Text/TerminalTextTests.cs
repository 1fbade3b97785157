using CsCheck;
using NixBuildFarm.Text;

namespace NixBuildFarm.Core.Tests.Text;

public class TerminalTextTests
{
    [Theory]
    [InlineData("plain\ttext\nsecond line", "plain\ttext\nsecond line")]
    [InlineData("\x1b[31;1merror:\x1b[0m no", "error: no")]
    [InlineData("\x1b]0;title\x07rest", "rest")]
    [InlineData("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link")]
    [InlineData("\x1bPq#0;2\x1b\\rest", "rest")]
    [InlineData("\x1b(Brest", "rest")]
    [InlineData("\x1b" + "crest", "rest")]
    [InlineData("\u009b31mrest", "rest")]
    [InlineData("\u009d0;title\u009crest", "rest")]
    [InlineData("over\rwritten\b\b", "overwritten")]
    [InlineData("cut short \x1b[", "cut short ")]
    [InlineData("cut short \x1b]0;title", "cut short ")]
    [InlineData("bell\a null\0 delete\x7f", "bell null delete")]
    [InlineData("\u202egnp.exe", "gnp.exe")]
    [InlineData("Größe ✓ 🦀", "Größe ✓ 🦀")]
    public void Only_what_can_be_seen_remains(string text, string seen) => Assert.Equal(seen, TerminalText.Strip(text));

    [Fact]
    public void An_unfinished_sequence_hides_no_later_line() => Assert.Equal("\nseen", TerminalText.Strip("\x1b]0;title\nseen"));

    [Fact]
    public void No_control_character_survives_in_any_text() =>
        Gen.Char.Array[0, 100].Sample(characters =>
        {
            var seen = TerminalText.Strip(new string(characters));

            Assert.DoesNotContain(seen, c => char.IsControl(c) && c is not ('\n' or '\t'));
        });
}
