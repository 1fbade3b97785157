using System.Diagnostics;

namespace NixBuildFarm.Tests;

/// <summary>Waits for what no event tells: a process that ends, a file that appears, what another thread has done.</summary>
internal static class Until
{
    /// <summary>
    /// How long a test waits before it calls it a hang: far longer than anything takes where several farms share two cores. No test says
    /// how fast a thing is; benchmarks do.
    /// </summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(50);

    /// <summary>Who asks a program each time costs those that it waits for more than the wait.</summary>
    private static readonly TimeSpan LongestPauseBetweenPrograms = TimeSpan.FromMilliseconds(500);

    /// <summary>Waits until a condition is true.</summary>
    /// <param name="condition">Asked again and again.</param>
    /// <param name="expected">The condition in words, for the failure.</param>
    /// <param name="step">What makes it come true bit by bit, as moving a clock: done before each further question.</param>
    public static Task TrueAsync(Func<bool> condition, string expected, Action? step = null) =>
        TrueAsync(() => Task.FromResult(condition()), expected, step, LongestPause);

    /// <inheritdoc cref="TrueAsync(Func{bool}, string, Action?)"/>
    public static Task TrueAsync(Func<Task<bool>> condition, string expected, Action? step = null) =>
        TrueAsync(condition, expected, step, LongestPauseBetweenPrograms);

    private static async Task TrueAsync(Func<Task<bool>> condition, string expected, Action? step, TimeSpan longestPause)
    {
        var clock = Stopwatch.StartNew();
        var pause = TimeSpan.FromMilliseconds(1);
        while (!await condition())
        {
            Assert.True(clock.Elapsed < Limit, $"Not so within {Limit.TotalSeconds} s: {expected}.");
            step?.Invoke();
            await Task.Delay(pause, TestContext.Current.CancellationToken);
            // Who makes it come true himself is soon done; who waits for others leaves them the processor.
            if (step is null && pause < longestPause) pause *= 2;
        }
    }
}
