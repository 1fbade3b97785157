namespace NixBuildFarm.Builders;

/// <summary>
/// The script that packs the directory of a failed build: its path comes as a line, and a tar archive goes back. Made as
/// <see cref="SlotScript.Text"/> is; what is data is a word in quotes to it, and never a part of it.
/// </summary>
internal static class KeptFolderScript
{
    /// <summary>The script.</summary>
    internal const string Text = BuilderMachine.FindPrograms + "IFS= read -r d || exit 1; cd \"$d\" && exec tar -cf - .";
}
