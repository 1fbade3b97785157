using System.Diagnostics;
using NixBuildFarm.Platform;
using NixBuildFarm.Serving;

namespace NixBuildFarm.Core.Tests.Serving;

/// <summary>Who is at the other end of a socket, and what they say of themselves.</summary>
public class AskerTests
{
    private static readonly uint Me = FileStatus.User;

    [Theory]
    [InlineData(null, null, "", BuildPriority.Normal)]
    [InlineData("colleague", null, " colleague", BuildPriority.Normal)]
    [InlineData("", "low", "", BuildPriority.Low)]
    [InlineData(null, "High", "", BuildPriority.High)]
    [InlineData(null, "99", "", BuildPriority.Normal)]
    [InlineData(null, "at once", "", BuildPriority.Normal)]
    public async Task A_process_of_this_user_may_say_for_whom_it_asks_and_how_urgently(
        string? user, string? priority, string suffix, BuildPriority expected)
    {
        using var process = await StartAsync((Asker.UserVariable, user), (FarmClient.PriorityVariable, priority));

        Assert.Equal(new($"{Me}{suffix}", expected), Asker.Of(new(process.Id, Me)));
        process.Kill();
    }

    [Fact]
    public async Task Another_user_does_not_ask_in_the_name_of_others()
    {
        using var process = await StartAsync((Asker.UserVariable, "colleague"));

        Assert.Equal("4711", Asker.Of(new(process.Id, 4711)).User);
        process.Kill();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(int.MaxValue)]
    public void A_process_that_cannot_be_seen_says_nothing(int process) =>
        Assert.Equal(new($"{Me}", BuildPriority.Normal), Asker.Of(new(process, Me)));

    private static async Task<Process> StartAsync(params (string Name, string? Value)[] variables)
    {
        var start = new ProcessStartInfo("sleep", "600");
        foreach (var (name, value) in variables)
        {
            if (value is null) start.Environment.Remove(name);
            else start.Environment[name] = value;
        }
        var process = Process.Start(start)!;
        // For a moment after its start, the kernel shows none.
        await Until.TrueAsync(() => ProcessEnvironment.Of(process.Id).Count > 0, "the process has its environment");
        return process;
    }
}
