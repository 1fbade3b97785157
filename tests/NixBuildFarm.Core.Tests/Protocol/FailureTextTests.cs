using NixBuildFarm.Protocol;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary>What Nix 2.8.0, 2.26.3 and 2.34.8 said of the same failures, and Lix says in the words of its source.</summary>
public class FailureTextTests
{
    [Theory]
    [InlineData(
        "builder for '/nix/store/s-fails.drv' failed with exit code 3;\nlast 2 log lines:\n> first\n> the reason\nFor full logs, run "
            + "'nix log /nix/store/s-fails.drv'.",
        "builder for '/nix/store/s-fails.drv' failed with exit code 3")]
    [InlineData(
        "builder for '/nix/store/s-fails.drv' failed with exit code 3;\nlast 2 log lines:\n> first\n> the reason\nFor full logs, run:"
            + "\n  nix log /nix/store/s-fails.drv",
        "builder for '/nix/store/s-fails.drv' failed with exit code 3")]
    [InlineData(
        "builder for '/nix/store/s-fails.drv' failed with exit code 3;\nlast 2 log lines:\n> first\n> the reason\nFor full logs, run:"
            + "\n\tnix-store -l /nix/store/s-fails.drv",
        "builder for '/nix/store/s-fails.drv' failed with exit code 3")]
    [InlineData(
        "Cannot build '/nix/store/s-fails.drv'.\nReason: builder failed with exit code 3.\nOutput paths:\n  /nix/store/9-fails\n  "
            + "/nix/store/8-fails-dev\nLast 2 log lines:\n> first\n> the reason\nFor full logs, run:\n  nix log /nix/store/s-fails.drv",
        "Cannot build '/nix/store/s-fails.drv'. Reason: builder failed with exit code 3.")]
    public void The_end_of_the_log_that_Nix_adds_is_left_out(string message, string line)
    {
        Assert.True(FailureText.HasLog(message));
        Assert.Equal(line, FailureText.InOneLine(message));
    }

    [Theory]
    [InlineData("builder for '/nix/store/g.drv' failed with exit code 3", "builder for '/nix/store/g.drv' failed with exit code 3")]
    [InlineData(
        "Cannot build '/nix/store/g-mute.drv'.\nReason: builder failed with exit code 3.\nOutput paths:\n  /nix/store/d-mute",
        "Cannot build '/nix/store/g-mute.drv'. Reason: builder failed with exit code 3.")]
    [InlineData(
        "Cannot build '/nix/store/y-wrong.drv'.\nReason: platform mismatch\nRequired system: 'riscv64-linux'\nCurrent system: "
            + "'x86_64-linux'",
        "Cannot build '/nix/store/y-wrong.drv'. Reason: platform mismatch, Required system: 'riscv64-linux', Current system: "
            + "'x86_64-linux'")]
    [InlineData(
        "\n                           Unable to start any build;\n                           either increase '--max-jobs' or enable remote "
            + "builds.\n\n                           For more information run 'man nix.conf' and search for '/machines'.",
        "Unable to start any build; either increase '--max-jobs' or enable remote builds. For more information run 'man nix.conf' and "
            + "search for '/machines'.")]
    [InlineData("\u001b[31;1merror:\u001b[0m full disk", "error: full disk")]
    [InlineData("", "")]
    public void Lines_become_one(string message, string line)
    {
        Assert.False(FailureText.HasLog(message));
        Assert.Equal(line, FailureText.InOneLine(message));
    }
}
