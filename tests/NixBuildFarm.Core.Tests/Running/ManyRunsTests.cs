using NixBuildFarm.History;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A session that builds again and again: what a run has used goes with it.</summary>
public sealed class ManyRunsTests : IDisposable
{
    private const int Runs = 200;

    private readonly FakeFarm farm = new("ruby", "kana");

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task Of_two_hundred_runs_no_connection_is_left_in_memory()
    {
        for (var run = 0; run < Runs; run++) await BuildAsync(run);

        // The last run may still be on the stacks of threads.
        var opened = farm.Opened.ToArray();
        Assert.InRange(opened.Length, 2 * Runs, int.MaxValue);
        Assert.InRange(AliveOf(opened), 0, 3 * opened.Length / Runs);
    }

    private async Task BuildAsync(int run)
    {
        var leaves = Enumerable.Range(0, 8).Select(leaf => farm.Derivation($"leaf{leaf}-of-{run}")).ToArray();

        var results = await farm.BuildAsync(farm.Derivation($"top-of-{run}", leaves), on: ["ruby", "kana"]);

        Assert.Equal(NixBuildStatus.Built, results[$"top-of-{run}"].Status);
    }

    private static int AliveOf(WeakReference[] opened)
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        return opened.Count(connection => connection.IsAlive);
    }
}
