using System.Management.Automation;
using System.Runtime.InteropServices;
using NixBuildFarm.EngineHost;
using NixBuildFarm.EngineHost.Console;

const string Usage = """
    Runs PowerShell's engine where there is no pwsh: Core commands only.

      NixBuildFarm.EngineHost SCRIPT.ps1 [ARGUMENT…]
      NixBuildFarm.EngineHost [-Interactive] -Command TEXT
      NixBuildFarm.EngineHost -Interactive

    -Interactive asks for commands afterwards. Ctrl-C stops the script, a second one ends the program.
    """;
const int Interrupted = 130;
const int Terminated = 143;
const int WrongUsage = 64;

var interactive = args is ["-Interactive", ..];
if (interactive) args = args[1..];
switch (args)
{
    case ["-Command", _]:
    case [] when interactive:
    case [var path, ..] when !path.StartsWith('-') && !interactive:
        break;
    default:
        Console.Error.WriteLine(Usage);
        return WrongUsage;
}
if (!interactive && args is [not "-Command", ..] && !File.Exists(args[0]))
{
    Console.Error.WriteLine($"{args[0]} is not a file.");
    return WrongUsage;
}

var host = new TerminalHost();
using var engine = new Engine(host);
RunningScript? current = null;
var isRunning = false;
var interruptions = 0;
var terminated = false;

// Ctrl-C at the prompt is for the line that is being typed.
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
{
    context.Cancel = true;
    if (Volatile.Read(ref isRunning)) Stop();
});
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Terminate);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Terminate);

try
{
    var code = args switch
    {
        ["-Command", var command] => Run(() => engine.StartInteractive(command)),
        [var path, .. var arguments] => Run(() => engine.StartFile(path, arguments)),
        [] => 0,
    };
    if (interactive && host.ExitCode is null) code = new Prompt(engine, Run).Loop();
    return host.ExitCode ?? code;
}
catch (ParseException e)
{
    engine.ShowError(e.ErrorRecord);
    return 1;
}

int Run(Func<RunningScript> start)
{
    interruptions = 0;
    Volatile.Write(ref isRunning, true);
    using var script = start();
    Volatile.Write(ref current, script);
    // It writes before we know it, and who reads that may stop it.
    if (Volatile.Read(ref interruptions) > 0) script.BeginStop();
    var result = script.Wait();
    Volatile.Write(ref isRunning, false);
    current = null;
    host.ClearProgress();
    if (terminated) Environment.Exit(Terminated);
    if (result.TerminatingError is { } error) engine.ShowError(error);
    if (result.Stopped) return Interrupted;
    return result.TerminatingError is null ? 0 : 1;
}

void Stop()
{
    if (Interlocked.Increment(ref interruptions) == 1) Volatile.Read(ref current)?.BeginStop();
    else Environment.Exit(Interrupted);
}

void Terminate(PosixSignalContext context)
{
    context.Cancel = true;
    terminated = true;
    if (Volatile.Read(ref isRunning)) Stop();
    else Environment.Exit(Terminated);
}
