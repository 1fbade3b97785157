using NixBuildFarm.Errors;

namespace NixBuildFarm.Builders.Policies;

/// <summary>
/// The policies of both scopes: the session's in memory, the user's in a file. Safe for concurrent use. The session overrides the user, and
/// within a scope a builder's policy overrides the farm-wide one.
/// </summary>
public sealed class PolicyStore
{
    private readonly Func<PolicyFile> userFile;
    private readonly object sessionLock = new();
    private PolicySet session = PolicySet.Empty;

    /// <summary>Keeps the user's policies in the given file.</summary>
    public PolicyStore(PolicyFile userFile)
        : this(() => userFile)
    {
    }

    private PolicyStore(Func<PolicyFile> userFile) => this.userFile = userFile;

    /// <summary>
    /// This process's session and this user's file. Runspaces and jobs of a process share the session: a builder that was
    /// disabled stays so in all of them.
    /// </summary>
    public static PolicyStore Default { get; } = new(() => new PolicyFile(PolicyFile.DefaultPath));

    /// <summary>The policies of one scope.</summary>
    /// <exception cref="NixBuildFarmException">The user's file cannot be read or understood.</exception>
    public PolicySet Read(PolicyScope scope)
    {
        if (scope == PolicyScope.User) return userFile().Read();
        lock (sessionLock) return session;
    }

    /// <summary>Changes the policies of one scope, e.g. <c>set =&gt; set.With("ruby", change)</c>.</summary>
    /// <param name="scope">Which policies.</param>
    /// <param name="change">Makes the new policies of the present ones.</param>
    /// <param name="cancellation">Ends waiting for another writer.</param>
    /// <exception cref="NixBuildFarmException">The user's file cannot be read, understood or written; it is as it was.</exception>
    public PolicySet Update(PolicyScope scope, Func<PolicySet, PolicySet> change, CancellationToken cancellation = default)
    {
        if (scope == PolicyScope.User) return userFile().Update(change, cancellation);
        lock (sessionLock) return session = change(session);
    }

    /// <summary>The policies of one scope: farm-wide first, then by name.</summary>
    /// <exception cref="NixBuildFarmException">The user's file cannot be read or understood.</exception>
    public IReadOnlyList<NixBuilderPolicy> List(PolicyScope scope)
    {
        var set = Read(scope);
        var builders = set.Builders.Select(b => new NixBuilderPolicy(scope, b.Key, b.Value));
        return set.FarmWide.IsEmpty ? [.. builders] : [new(scope, null, set.FarmWide), .. builders];
    }

    /// <summary>The builders as they will be used.</summary>
    /// <exception cref="NixBuildFarmException">The user's file cannot be read or understood.</exception>
    public IReadOnlyList<NixBuilder> ApplyTo(IEnumerable<NixBuilder> builders)
    {
        var (bySession, byUser) = (Read(PolicyScope.Session), Read(PolicyScope.User));
        return builders.Select(b => bySession.For(b.Name).Over(byUser.For(b.Name)).ApplyTo(b)).ToArray();
    }
}
