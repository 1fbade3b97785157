using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Errors;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Core.Tests.Supplying;

public class CopyBackQueueTests
{
    private readonly List<string> lots = [];
    private readonly TaskCompletionSource first = new();

    [Fact]
    public async Task Outputs_that_are_made_during_a_copy_come_together_in_the_next_one()
    {
        var queue = new CopyBackQueue(CopyAsync, atATime: 1);

        var a = queue.CopyAsync("ruby", [Output("a")]);
        await FirstLotAsync();
        var b = queue.CopyAsync("ruby", [Output("b")]);
        var c = queue.CopyAsync("ruby", [Output("c")]);
        first.SetResult();
        await Task.WhenAll(a, b, c).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);

        Assert.Equal(["a", "b c"], lots);
        Assert.Equal(await b, await c);
        Assert.NotEqual(await a, await b);
    }

    [Fact]
    public async Task Builders_do_not_wait_for_each_other()
    {
        var queue = new CopyBackQueue(CopyAsync, atATime: 1);

        var a = queue.CopyAsync("ruby", [Output("a")]);
        await FirstLotAsync();
        await queue.CopyAsync("kana", [Output("b")]).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);

        Assert.False(a.IsCompleted);
        first.SetResult();
        await a;
    }

    [Fact]
    public async Task One_that_cannot_come_keeps_none_of_the_others_away()
    {
        var queue = new CopyBackQueue(CopyAsync, atATime: 1);

        var a = queue.CopyAsync("ruby", [Output("a")]);
        await FirstLotAsync();
        var good = queue.CopyAsync("ruby", [Output("good")]);
        var bad = queue.CopyAsync("ruby", [Output("bad")]);
        first.SetResult();

        await Task.WhenAll(a, good).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<NixBuildFarmException>(() => bad);
    }

    private Task FirstLotAsync() => Until.TrueAsync(
        () =>
        {
            lock (lots) return lots.Count > 0;
        },
        "the first lot sets out");

    private static StorePath Output(string name) => FakeStore.PathOf(name);

    private async Task<DateTimeOffset> CopyAsync(IReadOnlyCollection<StorePath> paths)
    {
        var lot = string.Join(' ', paths.Select(path => path.Name));
        bool isFirst;
        lock (lots)
        {
            isFirst = lots.Count == 0;
            lots.Add(lot);
        }
        if (isFirst) await first.Task;
        if (lot.Contains("bad", StringComparison.Ordinal)) throw new NixBuildFarmException("Bad", "It cannot come.");
        return DateTimeOffset.UnixEpoch.AddSeconds(lot.Length);
    }
}
