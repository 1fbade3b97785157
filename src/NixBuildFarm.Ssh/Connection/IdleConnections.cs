namespace NixBuildFarm.Ssh.Connection;

/// <summary>
/// Idle, logged-in connections of earlier transports, for the next one to the same builder. Each is closed when it is not used for a while.
/// Safe for concurrent use.
/// </summary>
/// <param name="duration">How long a connection is kept.</param>
/// <param name="time">The clock.</param>
internal sealed class IdleConnections(TimeSpan duration, TimeProvider time)
{
    private readonly object sync = new();
    private readonly List<Kept> all = [];
    private bool isClosed;

    /// <summary>
    /// A connection with the address and login of this target; null: there is none. Verifies the server's host key again, by the present
    /// known hosts.
    /// </summary>
    public SshConnection? Take(SshTarget target)
    {
        while (RemoveOneOf(target.Login) is { } connection)
        {
            if (connection.TryHandTo(target)) return connection;
            _ = connection.DisposeAsync().AsTask();
        }
        return null;
    }

    /// <summary>Keeps a connection that nobody uses, and takes it over from its owner.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="settled">Ends when its programs have; false: the connection cannot be used again, and is closed.</param>
    public void Keep(SshConnection connection, Task<bool> settled)
    {
        connection.Rest();
        var kept = new Kept(connection, settled);
        bool isLate;
        lock (sync)
        {
            all.Add(kept);
            isLate = isClosed;
        }
        if (isLate) Close(kept);
        else kept.Timer = time.CreateTimer(_ => Close(kept), null, duration, Timeout.InfiniteTimeSpan);
        _ = CloseUnlessGoodAsync(kept);
    }

    /// <summary>Closes all of them, and whatever still comes.</summary>
    public void Close()
    {
        Kept[] kept;
        lock (sync)
        {
            isClosed = true;
            kept = [.. all];
        }
        foreach (var one in kept) Close(one);
    }

    private SshConnection? RemoveOneOf(string login)
    {
        lock (sync)
        {
            if (all.Find(kept => kept.IsGood && kept.Connection.Login == login) is not { } found) return null;
            Remove(found);
            return found.Connection;
        }
    }

    private async Task CloseUnlessGoodAsync(Kept kept)
    {
        if (!await kept.Settled) Close(kept);
    }

    private void Close(Kept kept)
    {
        lock (sync)
        {
            if (!Remove(kept)) return;
        }
        _ = kept.Connection.DisposeAsync().AsTask();
    }

    private bool Remove(Kept kept)
    {
        kept.Timer?.Dispose();
        return all.Remove(kept);
    }

    private sealed class Kept(SshConnection connection, Task<bool> settled)
    {
        public SshConnection Connection { get; } = connection;

        public Task<bool> Settled { get; } = settled;

        public bool IsGood => Settled is { IsCompletedSuccessfully: true, Result: true };

        public ITimer? Timer { get; set; }
    }
}
