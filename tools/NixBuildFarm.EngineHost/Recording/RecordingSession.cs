using System.Management.Automation.Runspaces;

namespace NixBuildFarm.EngineHost.Recording;

/// <summary>A PowerShell session for tests. One a test: they are cheap but for the first of a process.</summary>
public sealed class RecordingSession : IDisposable
{
    /// <summary>A script that takes longer hangs: it is stopped, and the test fails.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    private readonly RecordingHost host = new();

    public RecordingSession()
    {
        Engine = new Engine(host);
        // Casts and completion look for the session on the calling thread.
        Runspace.DefaultRunspace = Engine.Runspace;
    }

    public Engine Engine { get; }

    /// <summary>What a person sees and answers.</summary>
    public RecordingUserInterface Screen => host.Screen;

    /// <summary>The manifest that the build has laid out.</summary>
    /// <exception cref="FileNotFoundException">It was not built.</exception>
    public static string ModuleManifest { get; } = FindModule();

    /// <summary>A session with the module, imported from its manifest as a user does it.</summary>
    public static RecordingSession WithModule()
    {
        var session = new RecordingSession();
        var import = session.Run("Import-Module $args[0] -ErrorAction Stop", ModuleManifest);
        return import.TerminatingError is null ? session : throw import.TerminatingError.Exception;
    }

    /// <summary>Runs a script to its end; what it wrote is in the result, not on the screen.</summary>
    public ScriptResult Run(string script, params IEnumerable<object?> arguments)
    {
        using var running = Engine.Start(script, arguments);
        return running.Wait(Limit);
    }

    /// <summary>Runs a script as the prompt does, and returns what a person sees of it.</summary>
    public string Show(string script)
    {
        Screen.Clear();
        using var running = Engine.StartInteractive(script);
        if (running.Wait(Limit).TerminatingError is { } error) Engine.ShowError(error);
        return Screen.Text;
    }

    /// <summary>Starts a script that the test looks at while it runs, or stops.</summary>
    public RunningScript Start(string script, params IEnumerable<object?> arguments) => Engine.Start(script, arguments);

    public void Dispose()
    {
        if (Runspace.DefaultRunspace == Engine.Runspace) Runspace.DefaultRunspace = null;
        Engine.Dispose();
    }

    private static string FindModule()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            var manifest = Path.Combine(folder, "NixBuildFarm", "NixBuildFarm.psd1");
            if (File.Exists(manifest)) return manifest;
        }
        throw new FileNotFoundException("The module was not built. Run: ./build.sh build");
    }
}
