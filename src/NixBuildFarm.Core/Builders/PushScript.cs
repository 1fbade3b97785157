namespace NixBuildFarm.Builders;

/// <summary>The script by which a builder puts paths of its store into another store, with its own Nix.</summary>
/// <remarks>
/// It is constant, for a POSIX shell, and without single quotes and backslashes, so that every login shell passes it on unchanged. It reads
/// the URI of the store, the paths, each on a line, and an empty line. Nix ends when the input does. The answer is what Nix says, and
/// then a line <c>end</c> with its exit code.
/// </remarks>
internal static class PushScript
{
    /// <summary>What the last line begins with.</summary>
    public const string EndMark = "end ";

    /// <summary>The script.</summary>
    public const string Text =
        BuilderMachine.FindPrograms
        + "exec 3<&0; IFS= read -r store || exit 0; set --; "
        + "while IFS= read -r path && [ \"$path\" ]; do set -- \"$@\" \"$path\"; done; "
        + "nix --extra-experimental-features nix-command copy --to \"$store\" \"$@\" </dev/null 2>&1 & nix=$!; "
        + "{ read -r gone; kill $nix; } <&3 >/dev/null 2>&1 & watch=$!; "
        + "wait $nix; code=$?; kill $watch 2>/dev/null; echo; echo " + EndMark + "$code";
}
