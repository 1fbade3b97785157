using NixBuildFarm.Builders.Listing;

namespace NixBuildFarm.Core.Tests.Builders;

public class MachineListIncludeTests
{
    [Fact]
    public void An_include_stands_for_the_entries_of_its_file()
    {
        var list = Lists.Parse(
            "ruby; @ /etc/nix/more \nkana", ("/etc/nix/more", "aquamarine # big\n@/etc/nix/most"), ("/etc/nix/most", "pearl"));

        Assert.Equal(["ruby", "aquamarine", "pearl", "kana"], list.Builders.Select(b => b.Name));
        Assert.Empty(list.Problems);
    }

    [Theory]
    [InlineData("@more", "/etc/nix/more")]
    [InlineData("@./farm/more", "/etc/nix/farm/more")]
    [InlineData("@../more", "/etc/more")]
    [InlineData("@/srv/a b", "/srv/a b")]
    public void A_relative_include_lies_beside_the_file_that_includes_it(string entry, string path) =>
        Assert.Equal("ruby", Assert.Single(Lists.Parse(entry, (path, "ruby")).Builders).Name);

    [Fact]
    public void A_missing_include_is_a_warning_where_the_include_stands()
    {
        var problem = Lists.Problem("ruby\n  ;@/etc/nix/none");

        Assert.Equal((ProblemSeverity.Warning, "IncludeNotFound"), (problem.Severity, problem.Id));
        Assert.Equal((2, 4), (problem.Line, problem.Column));
        Assert.Contains("/etc/nix/none", problem.Message);
    }

    [Fact]
    public void A_file_that_includes_itself_is_an_error_and_the_entries_around_it_are_builders()
    {
        var list = Lists.Parse("ruby\n@/a\nkana", ("/a", "aquamarine\n@/b"), ("/b", "@/a\npearl"));

        Assert.Equal(["ruby", "aquamarine", "pearl", "kana"], list.Builders.Select(b => b.Name));
        var problem = Assert.Single(list.Problems);
        Assert.Equal(("IncludeCycle", ProblemSeverity.Error, "/b", 1), (problem.Id, problem.Severity, problem.File, problem.Line));
        Assert.Contains("/etc/nix/machines → /a → /b → /a", problem.Message);
    }

    [Theory]
    [InlineData("@machines")]
    [InlineData("@/etc/nix/../nix/machines")]
    public void A_cycle_is_found_however_the_path_is_written(string entry) => Assert.Equal("IncludeCycle", Lists.Problem(entry).Id);

    [Fact]
    public void A_file_may_be_included_twice_side_by_side()
    {
        var list = Lists.Parse("@/a;@/a", ("/a", "ruby"));

        Assert.Equal(["ruby", "ruby#2"], list.Builders.Select(b => b.Name));
        Assert.Empty(list.Problems);
    }

    [Fact]
    public void Files_that_double_level_by_level_end_with_one_error()
    {
        var list = MachineList.Parse("@/0", "/start", Lists.Local, path => $"@/{int.Parse(path[1..]) + 1}\n@/{int.Parse(path[1..]) + 1}");

        Assert.Equal("TooManyIncludes", Assert.Single(list.Problems).Id);
    }

    [Theory]
    [InlineData("@")]
    [InlineData("@  # where?")]
    public void An_include_without_a_path_is_an_error(string entry) => Assert.Equal("IncludeWithoutPath", Lists.Problem(entry).Id);

    [Fact]
    public void An_include_that_cannot_be_read_is_an_error_with_the_reason()
    {
        var list = MachineList.Parse(
            "@/secret\nruby", "/etc/nix/machines", Lists.Local, _ => throw new UnauthorizedAccessException("Permission denied"));

        Assert.Single(list.Builders);
        var problem = Assert.Single(list.Problems);
        Assert.Equal(("IncludeUnreadable", ProblemSeverity.Error), (problem.Id, problem.Severity));
        Assert.Contains("Permission denied", problem.Message);
    }

    [Fact]
    public void A_relative_include_of_the_setting_is_left_to_the_reader_of_files() =>
        Assert.Equal(
            "ruby",
            Assert.Single(MachineList.Parse("@list", "builders setting", Lists.Local, path => path == "list" ? "ruby" : null).Builders)
                .Name);
}
