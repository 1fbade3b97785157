using NixBuildFarm.Errors;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>
/// The connections to one builder that serve one use. Channels share a connection up to a limit; a connection that
/// is free again waits for the next channel.
/// </summary>
internal sealed class ConnectionPool : IAsyncDisposable
{
    /// <summary>
    /// Opening a channel takes two round trips. A kept connection that needs longer for its first may be dead: a new one is as fast.
    /// </summary>
    private static readonly TimeSpan KeptLimit = TimeSpan.FromSeconds(2);

    private readonly SshTarget target;
    private readonly IdleConnections? kept;
    private readonly object sync = new();
    private readonly List<Member> members = [];
    private int channelsPerConnection;
    private bool isDisposed;

    /// <summary>Makes an empty pool.</summary>
    /// <param name="target">The builder.</param>
    /// <param name="channelsPerConnection">The most channels that share a connection; fewer where the server allows fewer.</param>
    /// <param name="kept">Where connections come from before new ones are made, and where they go in the end; null: neither.</param>
    public ConnectionPool(SshTarget target, int channelsPerConnection, IdleConnections? kept = null)
    {
        this.kept = kept;
        this.target = target;
        this.channelsPerConnection = channelsPerConnection;
    }

    /// <summary>Runs a command in a channel of a connection that has room, or of a new one.</summary>
    /// <exception cref="BuilderException">The builder cannot be reached or used.</exception>
    public async Task<SshChannel> OpenAsync(string commandLine, CancellationToken cancellation)
    {
        while (true)
        {
            var member = Reserve(out var isNew);
            try
            {
                var connection = await member.Connecting.WaitAsync(cancellation);
                var limit = member.IsUntried && KeptLimit < target.ConnectTimeout ? KeptLimit : target.ConnectTimeout;
                var channel = await connection.OpenAsync(commandLine, limit, cancellation);
                member.IsUntried = false;
                if (channel is not null)
                {
                    channel.Closed = hasEnded => Close(member, hasEnded);
                    return channel;
                }
                if (isNew && connection.ChannelCount == 0) throw target.Errors.NoSession();
                LearnLimit(connection.ChannelCount);
                Release(member, keep: connection.ChannelCount > 0);
            }
            catch (BuilderException e) when (member.IsUntried || (e.Failure == BuilderFailure.ConnectionLost && !isNew))
            {
                // It broke while it was idle: nothing of this channel is lost, so a new connection may have it.
                Release(member, keep: false);
            }
            catch
            {
                // Others may wait for a connection that is still being made.
                Release(member, keep: !member.Connecting.IsCompleted || member.Connecting.IsCompletedSuccessfully);
                throw;
            }
        }
    }

    /// <summary>Closes all connections, but for those that are kept for later.</summary>
    public async ValueTask DisposeAsync()
    {
        List<Member> all, good = [];
        lock (sync)
        {
            isDisposed = true;
            if (kept is not null && target.Options.IsComplete?.Invoke() == true) good = members.FindAll(member => member.CanBeKept);
            all = [.. members.Except(good)];
            members.Clear();
            foreach (var member in good) SettleIfIdle(member);
        }
        foreach (var member in good) kept!.Keep(member.Connecting.Result, member.Settled.Task);
        await Task.WhenAll(all.Select(m => m.DisposeAsync().AsTask()));
    }

    private Member Reserve(out bool isNew)
    {
        lock (sync)
        {
            ObjectDisposedException.ThrowIf(isDisposed, this);
            foreach (var broken in members.Where(m => m.IsBroken).ToList()) Drop(broken);
            var member = members.Find(m => m.Reserved < channelsPerConnection);
            isNew = member is null;
            if (member is null)
            {
                var old = kept?.Take(target);
                isNew = old is null;
                members.Add(member = old is null ? new Member(target) : new Member(old));
            }
            member.Reserved++;
            return member;
        }
    }

    private void Close(Member member, bool hasEnded)
    {
        if (!hasEnded) member.HasRemains = true;
        Release(member, keep: hasEnded || channelsPerConnection > 1);
    }

    private void Release(Member member, bool keep)
    {
        lock (sync)
        {
            member.Reserved--;
            if (!keep || (member.Reserved == 0 && !member.Connecting.IsCompletedSuccessfully)) Drop(member);
            if (isDisposed) SettleIfIdle(member);
        }
    }

    private static void SettleIfIdle(Member member)
    {
        if (member.Reserved == 0) member.Settled.TrySetResult(member.CanBeKept);
    }

    // The server has refused one more channel than these on one connection. Without any, sessions that we have closed are
    // still ending there.
    private void LearnLimit(int channels)
    {
        lock (sync)
        {
            if (channels == 0 || channels >= channelsPerConnection) return;
            channelsPerConnection = channels;
        }
        target.Say($"the server allows {channels} session(s) per connection (MaxSessions); more channels get connections of their own");
    }

    private void Drop(Member member)
    {
        if (members.Remove(member)) _ = member.DisposeAsync().AsTask();
    }

    // A connection that is being made, is open, or has broken.
    private sealed class Member : IAsyncDisposable
    {
        private readonly CancellationTokenSource cancellation = new();

        public Member(SshTarget target) => Connecting = SshLogin.ConnectAsync(target, cancellation.Token);

        public Member(SshConnection kept)
        {
            Connecting = Task.FromResult(kept);
            IsUntried = true;
        }

        public Task<SshConnection> Connecting { get; }

        public int Reserved { get; set; }

        /// <summary>Kept from before, and no channel has been opened on it since.</summary>
        public volatile bool IsUntried;

        /// <summary>Whether a program was left behind that had not ended when its channel was closed.</summary>
        public volatile bool HasRemains;

        /// <summary>Whether nobody uses it, and it is as good as a new one, or will be when its programs have ended.</summary>
        public bool CanBeKept =>
            !HasRemains && Connecting.IsCompletedSuccessfully && Connecting.Result is { IsUsable: true, IsLeft: true } connection
            && connection.ChannelCount == Reserved;

        /// <summary>Set when all programs have ended, or are left behind, after the pool was closed: whether it can be kept.</summary>
        public TaskCompletionSource<bool> Settled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool IsBroken => Connecting.IsCompleted && !(Connecting.IsCompletedSuccessfully && Connecting.Result.IsUsable);

        public async ValueTask DisposeAsync()
        {
            await cancellation.CancelAsync();
            await ((Task)Connecting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (Connecting.IsCompletedSuccessfully) await Connecting.Result.DisposeAsync();
            cancellation.Dispose();
        }
    }
}
