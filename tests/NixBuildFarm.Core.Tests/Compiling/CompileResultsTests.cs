using NixBuildFarm.Compiling;
using NixBuildFarm.Core.Tests.Protocol;

namespace NixBuildFarm.Core.Tests.Compiling;

/// <summary>A compile that may have been done before is described at a cost: so only those are that have some hope.</summary>
public class CompileResultsTests
{
    private readonly CompileResults results = new();

    [Fact]
    public void A_source_of_which_an_earlier_run_has_left_a_result_is_promising_and_no_other_is()
    {
        results.AddEarlier(FakeStore.PathOf("nixbuildfarm-compile-main.c"), null!);

        Assert.True(results.IsPromising("src/main.c"));
        Assert.False(results.IsPromising("src/other.c"));
    }

    [Fact]
    public async Task After_many_questions_in_vain_none_is_promising()
    {
        results.AddEarlier(FakeStore.PathOf("nixbuildfarm-compile-main.c"), null!);

        for (var question = 0; question < 30; question++)
        {
            Assert.True(results.IsPromising("main.c"));
            await results.FindAsync(FakeStore.PathOf("nixbuildfarm-compile-other.c"), except: null, TestContext.Current.CancellationToken);
        }

        Assert.False(results.IsPromising("main.c"));
    }
}
