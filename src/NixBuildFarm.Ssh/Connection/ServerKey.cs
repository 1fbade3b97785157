using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.HostKeys;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>The key that a server has proven.</summary>
/// <param name="Key">Its host key.</param>
/// <param name="Certificate">The certificate of that key, where it has sent one.</param>
internal sealed record ServerKey(HostKey Key, HostCertificate? Certificate)
{
    /// <summary>Judges whether it is a target's server. Null: it is; else the error to stop with.</summary>
    public BuilderException? Judge(SshTarget target, out string decidedBy) => target.HostKeys.Verify(Key, Certificate, out decidedBy);
}
