namespace NixBuildFarm.Platform;

/// <summary>
/// Where sockets and process ids lie that nobody needs after the next start of the machine: <c>$XDG_RUNTIME_DIR/nixbuildfarm</c>; where
/// that is not set, a folder in the state folder.
/// </summary>
public static class RuntimeFolder
{
    private const string Variable = "XDG_RUNTIME_DIR";

    /// <summary>The folder of this user; it may not exist yet.</summary>
    public static string Path =>
        Environment.GetEnvironmentVariable(Variable) is { } runtime && System.IO.Path.IsPathRooted(runtime) && Directory.Exists(runtime)
        ? System.IO.Path.Combine(runtime, "nixbuildfarm")
        : System.IO.Path.Combine(StateFolder.Path, "run");

    /// <summary>Makes a folder in it, for this user's eyes only.</summary>
    /// <exception cref="Errors.NixBuildFarmException">Others may write there.</exception>
    public static void Create(string folder)
    {
        StateFolder.Create(folder);
        StateFolder.RequireOwn(folder, Variable);
    }
}
