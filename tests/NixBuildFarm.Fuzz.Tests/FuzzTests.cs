using System.Diagnostics;

namespace NixBuildFarm.Fuzz.Tests;

/// <summary>
/// Whatever bytes come from outside: they are read, or refused in the one way that is foreseen; soon, and without more memory than is stated
/// here. <c>./build.sh fuzz</c> goes on for longer than the few thousand inputs of an ordinary test run, which are always the same.
/// </summary>
public sealed class FuzzTests
{
    private const int Inputs = 3000;
    private const long MemoryPerInput = 16 << 20;
    private static readonly TimeSpan TimePerInput = TimeSpan.FromSeconds(5);

    public static TheoryData<string> Names => [.. Targets.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Sound_input_is_accepted(string name)
    {
        var target = Targets.All.Single(other => other.Name == name);

        foreach (var input in target.Sound) target.Parse(input);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Broken_input_is_read_or_refused(string name)
    {
        var target = Targets.All.Single(other => other.Name == name);
        var seed = FuzzSettings.Seed;
        var seconds = FuzzSettings.Seconds;
        var mutator = new Mutator(new Random(seed), target.Sound);
        var clock = Stopwatch.StartNew();
        for (var count = 0; seconds is null ? count < Inputs : clock.Elapsed.TotalSeconds < seconds; count++)
        {
            var input = mutator.Next();
            if (Try(target, input) is { } problem) Assert.Fail($"{target}: {problem}\nSeed {seed}, input {count}: {Convert.ToBase64String(input)}");
        }
    }

    /// <summary>Null, or what is wrong.</summary>
    private static string? Try(Target target, byte[] input)
    {
        var begun = Stopwatch.GetTimestamp();
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            target.Parse(input);
        }
        catch (Exception e) when (target.Refuses(e))
        {
            // As it should.
        }
        catch (Exception e)
        {
            return e.ToString();
        }
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return allocated > MemoryPerInput ? $"It allocated {allocated} bytes."
            : Stopwatch.GetElapsedTime(begun) > TimePerInput ? $"It took {Stopwatch.GetElapsedTime(begun)}."
            : null;
    }
}
