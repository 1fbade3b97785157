namespace NixBuildFarm.Ssh.Identities;

/// <summary>Why a key file cannot be used to log in.</summary>
/// <param name="Message">What is wrong with it: a part of a sentence that names the file.</param>
/// <param name="Advice">What to do.</param>
internal sealed record KeyProblem(string Message, string Advice);
