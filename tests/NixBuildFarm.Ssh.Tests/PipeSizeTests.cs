using System.Diagnostics;
using NixBuildFarm.Ssh.Program;

namespace NixBuildFarm.Ssh.Tests;

public class PipeSizeTests
{
    [Fact]
    public async Task A_pipe_takes_much_although_nobody_reads_yet()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux lets a pipe grow.");
        using var idle = Process.Start(new ProcessStartInfo("sleep", ["600"]) { RedirectStandardInput = true })!;
        try
        {
            var pipe = idle.StandardInput.BaseStream;
            PipeSize.Enlarge(pipe);

            await pipe.WriteAsync(new byte[1 << 20], TestContext.Current.CancellationToken)
                .AsTask()
                .WaitAsync(Until.Limit, TestContext.Current.CancellationToken);
        }
        finally
        {
            idle.Kill();
        }
    }

    [Fact]
    public void A_stream_that_is_no_pipe_stays_as_it_is() => PipeSize.Enlarge(Stream.Null);
}
