using NixBuildFarm.Compiling;
using NixBuildFarm.History;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Compiling;

/// <summary>Which results of compiles stay in a store, and what goes.</summary>
public class CompileMemoTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    [Fact]
    public void Results_stay_and_what_they_were_made_of_goes()
    {
        var (result, file, unit) = (Path("compile", 1), Path("file", 1), Path("unit", 1));

        var memo = CompileMemo.Choose([], new Dictionary<StorePath, long> { [result] = 10, [file] = 0, [unit] = 0 }, room: 100, Now);

        Assert.Equal([new KeptCompile(result.ToString(), 10, Now)], memo.Kept);
        Assert.Equal(new[] { file, unit }.Order(), memo.Gone.Order());
    }

    [Fact]
    public void The_newest_stay_as_long_as_there_is_room()
    {
        KeptCompile[] before = [new(Path("compile", 1).ToString(), 40, Now.AddDays(-2)),
            new(Path("compile", 2).ToString(), 40, Now.AddDays(-1))];

        var memo = CompileMemo.Choose(before, new Dictionary<StorePath, long> { [Path("compile", 3)] = 50 }, room: 100, Now);

        Assert.Equal([Path("compile", 3).ToString(), before[1].Path], memo.Kept.Select(compile => compile.Path));
        Assert.Equal([Path("compile", 1)], memo.Gone);
    }

    [Fact]
    public void What_was_used_again_counts_as_new()
    {
        var old = new KeptCompile(Path("compile", 1).ToString(), 60, Now.AddDays(-2));

        var memo = CompileMemo.Choose([old, new(Path("compile", 2).ToString(), 60, Now.AddDays(-1))],
            new Dictionary<StorePath, long> { [Path("compile", 1)] = 60 }, room: 100, Now);

        Assert.Equal([old with { UsedAt = Now }], memo.Kept);
        Assert.Equal([Path("compile", 2)], memo.Gone);
    }

    [Fact]
    public void Without_room_nothing_stays() =>
        Assert.Empty(CompileMemo.Choose([], new Dictionary<StorePath, long> { [Path("compile", 1)] = 1 }, room: 0, Now).Kept);

    [Fact]
    public void What_could_not_be_deleted_is_to_be_deleted_again() =>
        Assert.Equal([Path("file", 1)], CompileMemo.Choose([new(Path("file", 1).ToString(), 0, Now)],
            new Dictionary<StorePath, long>(), room: 100, Now).Gone);

    [Theory]
    [InlineData("/etc/passwd")]
    [InlineData("/nix/store/00000000000000000000000000000000-hello-2.12")]
    [InlineData("")]
    public void A_path_that_no_compile_leaves_is_never_deleted_whatever_the_history_says(string path)
    {
        var memo = CompileMemo.Choose([new(path, 1000, Now), new(path, 0, Now)], new Dictionary<StorePath, long>(), room: 100, Now);

        Assert.Empty(memo.Gone);
        Assert.Empty(memo.Kept);
    }

    private static StorePath Path(string what, int number) =>
        StorePath.Parse($"/nix/store/{new string('0', 31)}{number}-nixbuildfarm-{what}");
}
