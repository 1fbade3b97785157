namespace NixBuildFarm.Ssh.Program;

/// <summary>
/// How many commands a server lets run at a time over one login (MaxSessions). It does not tell, so the limit is learnt from what it
/// refuses; and it counts commands that have not ended yet although their channels are closed, so the limit rises again. Safe for
/// concurrent use.
/// </summary>
internal sealed class SessionLimit
{
    private readonly object gate = new();
    private int begun, open, mostOpen;
    private int limit = int.MaxValue;

    /// <summary>Begins to open a session; each ends with <see cref="GiveUp"/>, <see cref="Refuse"/>, or both of the others.</summary>
    /// <param name="count">How many there are with it.</param>
    /// <returns>Whether the server may open it.</returns>
    public bool TryBegin(out int count)
    {
        lock (gate)
        {
            count = begun + 1;
            if (begun >= limit) return false;
            begun++;
            return true;
        }
    }

    /// <summary>The server has opened one that was begun.</summary>
    public void Open()
    {
        lock (gate)
        {
            mostOpen = Math.Max(mostOpen, ++open);
            limit = Math.Max(limit, mostOpen);
        }
    }

    /// <summary>One that was begun failed otherwise than by the server's limit.</summary>
    public void GiveUp()
    {
        lock (gate) begun--;
    }

    /// <summary>The server refuses one that was begun. It has let as many run as were open at once, so it will again.</summary>
    /// <param name="count">As <see cref="TryBegin"/> told.</param>
    public void Refuse(int count)
    {
        lock (gate)
        {
            begun--;
            limit = Math.Max(mostOpen, Math.Min(limit, count - 1));
        }
    }

    /// <summary>One that was open is closed: another may be tried.</summary>
    public void Close()
    {
        lock (gate)
        {
            begun--;
            open--;
            if (limit < int.MaxValue) limit++;
        }
    }
}
