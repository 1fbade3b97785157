namespace NixBuildFarm.Errors;

/// <summary>The kinds of failure of a builder.</summary>
public enum BuilderFailure
{
    /// <summary>No answer: name unknown, connection refused, no route, time-out.</summary>
    Unreachable,

    /// <summary>It refused every key that was offered.</summary>
    AuthenticationFailed,

    /// <summary>Its host key is unknown, revoked, or not the expected one.</summary>
    HostKeyMismatch,

    /// <summary>The remote command does not start: no Nix in the PATH of a non-interactive login.</summary>
    NoNix,

    /// <summary>It answers, but not with a protocol that is understood.</summary>
    Incompatible,

    /// <summary>It does not trust the login, or the local store does not trust its outputs.</summary>
    Untrusted,

    /// <summary>It reported a result that cannot be right.</summary>
    FalseResult,

    /// <summary>A connection that worked has broken or fallen silent.</summary>
    ConnectionLost,

    /// <summary>The configuration cannot be used, e.g. a key file is missing.</summary>
    Configuration,
}

/// <summary>A builder cannot be reached or used. Never the fault of a derivation: the work can go elsewhere.</summary>
public sealed class BuilderException : NixBuildFarmException
{
    /// <summary>Makes an error about a builder; its id is the name of the failure.</summary>
    public BuilderException(string builder, BuilderFailure failure, string message, string? recommendation = null, Exception? inner = null)
        : base(failure.ToString(), message, recommendation, inner)
    {
        Builder = builder;
        Failure = failure;
    }

    /// <summary>The same error, with the builds that it interrupted.</summary>
    /// <param name="interrupted">The names of the derivations that were being built there.</param>
    public BuilderException About(IEnumerable<string> interrupted)
    {
        var names = string.Join(", ", interrupted);
        return names.Length == 0
            ? this
            : new(Builder, Failure, $"{Message} It was building {names}; other builders take over.", Recommendation, this);
    }

    /// <summary>The name of the builder.</summary>
    public string Builder { get; }

    /// <summary>The kind of failure.</summary>
    public BuilderFailure Failure { get; }
}
