using CsCheck;
using NixBuildFarm.Text;

namespace NixBuildFarm.Core.Tests.Text;

public class CloseNamesTests
{
    private static readonly string[] Farm = ["local", "aquamarine", "ruby", "ruby:2222", "kana", "pearl"];

    [Theory]
    [InlineData("rubi", "ruby")]
    [InlineData("RUBY1", "ruby")]
    [InlineData("ruyb", "ruby")]
    [InlineData("aquamarin", "aquamarine")]
    [InlineData("aqua", "aquamarine")]
    [InlineData("kama", "kana")]
    [InlineData("kan", "kana")]
    [InlineData("2222", "ruby:2222")]
    [InlineData("topaz", "")]
    [InlineData("x", "")]
    public void Names_that_differ_in_few_letters_or_contain_the_word_are_close(string name, string close) =>
        Assert.Equal(close, string.Join(' ', CloseNames.To(name, Farm)));

    [Fact]
    public void The_closest_comes_first_and_three_are_enough() =>
        Assert.Equal(["node1", "node2", "node3"], CloseNames.To("node", ["big-node-of-all", "node1", "node2", "node3", "node4"]));

    [Fact]
    public void One_slip_of_the_fingers_is_always_recognised()
    {
        var word = Gen.Char["abcdefgh"].Array[2, 12].Select(c => new string(c));
        Gen.Select(word, Gen.Int[0, 3], Gen.Int[0, 100], Gen.Char['a', 'z']).Sample((name, slip, place, letter) =>
        {
            var at = place % (name.Length - 1);
            var typed = slip switch
            {
                0 => name.Remove(at, 1),
                1 => name.Insert(at, letter.ToString()),
                2 => name[..at] + letter + name[(at + 1)..],
                _ => name[..at] + name[at + 1] + name[at] + name[(at + 2)..],
            };
            Assert.Equal([name], CloseNames.To(typed, [name]));
        });
    }
}
