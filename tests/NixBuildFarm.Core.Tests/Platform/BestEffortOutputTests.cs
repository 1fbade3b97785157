using NixBuildFarm.Platform;

namespace NixBuildFarm.Core.Tests.Platform;

public class BestEffortOutputTests
{
    [Theory]
    [InlineData(typeof(IOException))]
    [InlineData(typeof(UnauthorizedAccessException))]
    public void The_first_failure_is_told_and_ends_the_writing(Type failure)
    {
        var failures = new List<Exception>();
        var stream = new BreakingStream(() => (Exception)Activator.CreateInstance(failure)!);
        using (var output = new BestEffortOutput(stream, failures.Add))
        {
            output.Write(written => written.WriteByte(1));
            output.Write(written => written.WriteByte(2));
            Assert.False(output.IsOpen);
        }

        Assert.IsType(failure, Assert.Single(failures));
        Assert.Equal((1, 1), (stream.Writes, stream.Closings));
    }

    [Fact]
    public void A_failure_of_closing_is_told()
    {
        var failures = new List<Exception>();
        var output = new BestEffortOutput(new BreakingStream(() => new IOException()), failures.Add);

        output.Dispose();
        output.Dispose();

        Assert.Single(failures);
    }

    [Fact]
    public void Any_other_error_is_not_hidden()
    {
        using var stream = new MemoryStream();
        using var output = new BestEffortOutput(stream, _ => { });

        Assert.Throws<InvalidOperationException>(() => output.Write(_ => throw new InvalidOperationException()));
    }

    private sealed class BreakingStream(Func<Exception> error) : MemoryStream
    {
        public int Writes { get; private set; }

        public int Closings { get; private set; }

        public override void WriteByte(byte value)
        {
            Writes++;
            throw error();
        }

        protected override void Dispose(bool disposing)
        {
            Closings++;
            base.Dispose(disposing);
            throw error();
        }
    }
}
