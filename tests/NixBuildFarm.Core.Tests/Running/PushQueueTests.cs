using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Errors;
using NixBuildFarm.Running;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>Outputs that go into one store a lot at a time.</summary>
public sealed class PushQueueTests
{
    private readonly List<string> lots = [];
    private readonly TaskCompletionSource firstMayEnd = new();
    private readonly HashSet<string> bad = [];

    [Fact]
    public async Task What_comes_during_a_push_goes_together_in_the_next_one()
    {
        var queue = new PushQueue(PushAsync);
        var first = queue.PushAsync([FakeStore.PathOf("first")]);
        await Until.TrueAsync(() => lots.Count == 1, "the first push has begun");
        Task[] others = [queue.PushAsync([FakeStore.PathOf("a")]), queue.PushAsync([FakeStore.PathOf("b"), FakeStore.PathOf("b-dev")])];
        firstMayEnd.SetResult();

        await Task.WhenAll([first, .. others]).WaitAsync(Until.Limit, TestContext.Current.CancellationToken);

        Assert.Equal(["first", "a b b-dev"], lots);
    }

    [Fact]
    public async Task A_lot_that_fails_is_pushed_in_halves_and_only_what_is_bad_fails()
    {
        bad.UnionWith(["a", "b"]);
        Assert.Equal(["a", "b"], await FailedOfAsync("a", "b", "c", "d"));
        Assert.Equal(["first", "a b c d", "a b", "c d", "a", "b"], lots);
    }

    [Fact]
    public async Task A_store_that_takes_nothing_is_not_asked_for_each_output()
    {
        string[] names = [.. Enumerable.Range(0, 100).Select(i => $"n{i}")];
        bad.UnionWith(names);
        Assert.Equal(names, await FailedOfAsync(names));
        Assert.Equal(1 + 16, lots.Count);
    }

    private async Task<IEnumerable<string>> FailedOfAsync(params string[] names)
    {
        var queue = new PushQueue(PushAsync);
        var first = queue.PushAsync([FakeStore.PathOf("first")]);
        await Until.TrueAsync(() => lots.Count == 1, "the first push has begun");
        var pushes = names.Select(name => (Name: name, Push: queue.PushAsync([FakeStore.PathOf(name)]))).ToArray();
        firstMayEnd.SetResult();
        await first;
        await Task.WhenAll(pushes.Select(push => push.Push))
            .WaitAsync(Until.Limit, TestContext.Current.CancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return pushes.Where(push => push.Push.IsFaulted).Select(push => push.Name);
    }

    private async Task PushAsync(IReadOnlyCollection<StorePath> paths)
    {
        lots.Add(string.Join(' ', paths.Select(path => path.Name)));
        if (lots.Count == 1) await firstMayEnd.Task;
        if (paths.Any(path => bad.Contains(path.Name))) throw new NixBuildFarmException("NixFailed", "It is refused.");
    }
}
