using NixBuildFarm.Errors;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Text;

namespace NixBuildFarm.Protocol;

// Exclusive use of the connection, and its failures.
internal sealed partial class DaemonConnection
{
    /// <summary>
    /// Runs a request that needs the connection exclusively, and breaks the connection if it leaves it in an unknown state.
    /// </summary>
    private async Task<TResult> ExclusiveAsync<TResult>(Func<CancellationToken, Task<TResult>> work, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (Interlocked.Exchange(ref isBusy, 1) != 0) throw new InvalidOperationException("A request is under way on this connection.");
        try
        {
            if (failure is { } earlier) throw Unusable(earlier);
            // Closes the stream at once, which ends the build, also while a callback holds the request up.
            await using var registration = cancellation.UnsafeRegister(
                static connection => ((DaemonConnection)connection!).Break(new OperationCanceledException()), this);
            using var request = CancellationTokenSource.CreateLinkedTokenSource(cancellation, closing.Token);
            return await work(request.Token);
        }
        catch (DaemonException e) when (e.Connection == this)
        {
            throw;
        }
        catch (Exception e)
        {
            var cause = e is WireException wrong ? Explain(wrong) : e;
            Break(cause);
            cancellation.ThrowIfCancellationRequested();
            if (e is OperationCanceledException && closing.IsCancellationRequested) throw Unusable(failure!);
            if (!ReferenceEquals(cause, e)) throw cause;
            throw;
        }
        finally
        {
            Volatile.Write(ref isBusy, 0);
        }
    }

    /// <summary>Breaks the connection: cancels the running request, and closes the stream.</summary>
    private void Break(Exception cause)
    {
        if (Interlocked.CompareExchange(ref failure, cause, null) is not null) return;
        wire.Abandon();
        // Not on this thread: closing a stream can take its time, and a person may be waiting.
        closed = Task.Run(async () => await stream.DisposeAsync());
        closing.Cancel();
    }

    private BuilderException Unusable(Exception cause)
    {
        var reason = cause switch
        {
            ObjectDisposedException => "it is no longer needed",
            OperationCanceledException => "a request on it was cancelled",
            _ => cause.Message.TrimEnd('.'),
        };
        var message = $"The connection to {options.Builder} is closed: {reason}.";
        return new(options.Builder, BuilderFailure.ConnectionLost, message, inner: cause);
    }

    private BuilderException Lost(Exception cause) =>
        Fault(BuilderFailure.ConnectionLost, $"The connection to {options.Builder} was lost: {cause.Message}", cause);

    private BuilderException Explain(WireException cause) => cause.IsEndOfStream
        ? Fault(BuilderFailure.ConnectionLost, $"The Nix daemon of {options.Builder} ended in the middle of an answer.", cause)
        : Fault(BuilderFailure.Incompatible, $"{options.Builder} sent something that a Nix daemon does not send: {cause.Message}", cause);

    private BuilderException Fault(BuilderFailure failure, string message, Exception? cause = null, string? recommendation = null) =>
        new(options.Builder, failure, message + ErrorOutput(), recommendation, cause);

    /// <summary>The remote program's error output, as the end of a message.</summary>
    private string ErrorOutput()
    {
        var text = TerminalText.Strip(options.ErrorOutput?.Invoke() ?? "").Trim();
        return text.Length > 0 ? $" It complained: {text}" : "";
    }
}
