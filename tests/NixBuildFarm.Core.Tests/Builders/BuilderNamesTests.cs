using CsCheck;

namespace NixBuildFarm.Core.Tests.Builders;

public class BuilderNamesTests
{
    [Theory]
    [InlineData("ruby;kana", "ruby kana")]
    [InlineData("ruby;ruby", "ruby ruby#2")]
    [InlineData("ruby;ruby;ruby", "ruby ruby#2 ruby#3")]
    [InlineData("ruby;ruby:2222", "ruby ruby:2222")]
    [InlineData("ruby;nix@ruby", "ruby nix@ruby")]
    [InlineData("ruby:22;ruby:2222", "ruby ruby:2222")]
    [InlineData("a@ruby:22;b@ruby:22", "ruby b@ruby")]
    [InlineData("a@ruby;a@ruby:2222", "ruby ruby:2222")]
    [InlineData("a@ruby:1;b@ruby:2;a@ruby:2;b@ruby:1", "ruby ruby:2 a@ruby:2 b@ruby:1")]
    [InlineData("nix@ruby;nix@ruby", "ruby ruby#2")]
    [InlineData("ruby;Ruby", "ruby Ruby#2")]
    [InlineData("ssh://ruby;ssh-ng://ruby", "ruby ruby#2")]
    [InlineData("ssh://local;nix@local", "local#2 nix@local")]
    [InlineData("[::1]:22;[::1]:2222;nix@[::1]:22", "::1 ::1#2 nix@::1")]
    public void A_name_is_a_description_that_fits_no_earlier_builder(string list, string names) =>
        Assert.Equal(names.Split(' '), Lists.Parse(list).Builders.Select(b => b.Name));

    [Fact]
    public void No_two_builders_have_one_name_and_none_reads_as_a_wildcard()
    {
        var address = Gen.Select(Gen.OneOf("", "nix@", "root@"), Gen.OneOf("ruby", "RUBY", "[::1]", "ssh"), Gen.OneOf("", ":22", ":2222"))
            .Select((user, host, port) => $"ssh://{user}{host}{port}");

        address.List[1, 30].Sample(list =>
        {
            var names = Lists.Parse(string.Join('\n', list)).Builders.Select(b => b.Name).ToList();
            Assert.Equal(list.Count, names.Distinct(StringComparer.OrdinalIgnoreCase).Count());
            Assert.DoesNotContain(names, n => n.AsSpan().ContainsAny("*?[]`") || n == "local");
        });
    }

    [Fact]
    public void A_builder_keeps_its_name_when_others_are_added_behind_it()
    {
        var address = Gen.OneOf("ruby", "ruby:22", "nix@ruby", "nix@ruby:22", "kana");

        Gen.Select(address.List[1, 10], address).Sample((list, added) =>
        {
            var before = Lists.Parse(string.Join('\n', list)).Builders.Select(b => b.Name);
            var after = Lists.Parse(string.Join('\n', list.Append(added))).Builders.Select(b => b.Name);
            Assert.Equal(before, after.Take(list.Count));
        });
    }
}
