using System.Management.Automation;
using System.Management.Automation.Host;
using System.Management.Automation.Language;
using System.Management.Automation.Runspaces;

namespace NixBuildFarm.EngineHost;

/// <summary>
/// A PowerShell session with the commands of the engine itself: Import-Module, Where-Object, ForEach-Object, Get-Help,
/// jobs, Out-Default. What pwsh brings in modules (Sort-Object, Write-Host, Format-List …) is not there.
/// </summary>
public sealed class Engine : IDisposable
{
    private readonly Runspace runspace;

    // The engine reports use to Microsoft unless it is told not to.
    static Engine() => Environment.SetEnvironmentVariable("POWERSHELL_TELEMETRY_OPTOUT", "1");

    public Engine(PSHost host)
    {
        Host = host;
        // CreateDefault() wants pwsh's own host.
        runspace = RunspaceFactory.CreateRunspace(host, InitialSessionState.CreateDefault2());
        runspace.Open();
    }

    public PSHost Host { get; }

    /// <summary>The session's variables.</summary>
    public SessionStateProxy Session => runspace.SessionStateProxy;

    /// <summary>
    /// For the engine's own interfaces, e.g. <see cref="CommandCompletion"/> and casts, which look for a runspace on their thread.
    /// </summary>
    public Runspace Runspace => runspace;

    /// <summary>Starts a script; what it writes is collected.</summary>
    public RunningScript Start(string script, params IEnumerable<object?> arguments)
    {
        var shell = Create();
        shell.AddScript(script);
        foreach (var argument in arguments) shell.AddArgument(argument);
        return new RunningScript(shell);
    }

    /// <summary>Runs a script to its end and returns all that it wrote.</summary>
    public ScriptResult Run(string script, params IEnumerable<object?> arguments)
    {
        using var running = Start(script, arguments);
        return running.Wait();
    }

    /// <summary>Starts a script as the prompt does: output and errors are rendered by the host.</summary>
    public RunningScript StartInteractive(string script)
    {
        var shell = Create();
        shell.AddScript(script);
        return new RunningScript(Rendered(shell));
    }

    /// <summary>
    /// Starts a script file as the prompt does. Arguments are bound as on a command line: <c>-Name value</c>, or by position.
    /// </summary>
    /// <exception cref="ParseException">The file is not a script.</exception>
    public RunningScript StartFile(string path, params IEnumerable<string> arguments)
    {
        path = Path.GetFullPath(path);
        var script = Parser.ParseFile(path, out _, out var errors);
        if (errors.Length > 0) throw new ParseException(errors);

        // A function, not the file: `exit` in a file ends the file only, and the host would not learn of it.
        var name = Path.GetFileNameWithoutExtension(path);
        Session.InvokeProvider.Item.Set($"function:global:{name}", script.GetScriptBlock());
        var command = new Command(name);
        foreach (var argument in arguments)
        {
            var isName = argument.Length > 1 && argument[0] == '-' && char.IsAsciiLetter(argument[1]);
            command.Parameters.Add(isName ? new CommandParameter(argument) : new CommandParameter(null, argument));
        }
        var shell = Create();
        shell.Commands.AddCommand(command);
        return new RunningScript(Rendered(shell));
    }

    /// <summary>Renders an error as the prompt does, on the host's error stream.</summary>
    public void ShowError(ErrorRecord error)
    {
        var rendered = new PSObject(error);
        rendered.Properties.Add(new PSNoteProperty("writeErrorStream", true)); // the engine's own mark
        using var shell = Create();
        shell.AddCommand("Out-Default").AddParameter("InputObject", rendered);
        shell.Invoke();
    }

    public void Dispose() => runspace.Dispose();

    private PowerShell Create()
    {
        var shell = PowerShell.Create();
        shell.Runspace = runspace;
        return shell;
    }

    private static PowerShell Rendered(PowerShell shell)
    {
        shell.Commands.Commands[0].MergeMyResults(PipelineResultTypes.Error, PipelineResultTypes.Output);
        return shell.AddCommand("Out-Default");
    }
}
