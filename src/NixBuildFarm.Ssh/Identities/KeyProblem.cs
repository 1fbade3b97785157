namespace NixBuildFarm.Ssh.Identities;

/// <summary>Why a key file cannot be used to log in.</summary>
/// <param name="Message">The problem: part of a sentence that names the file.</param>
/// <param name="Advice">The recommendation.</param>
internal sealed record KeyProblem(string Message, string Advice);
