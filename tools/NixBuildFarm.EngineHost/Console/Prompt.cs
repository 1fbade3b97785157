using System.Management.Automation.Language;
using System.Text;
using SystemConsole = System.Console;

namespace NixBuildFarm.EngineHost.Console;

/// <summary>Reads a command, runs it, and asks for the next.</summary>
internal sealed class Prompt(Engine engine, Func<Func<RunningScript>, int> run)
{
    /// <summary>Returns at the end of the input, or when <c>exit</c> was called.</summary>
    public int Loop()
    {
        var code = 0;
        while (((HostWithInterface)engine.Host).ExitCode is null && ReadCommand() is { } command)
        {
            if (command.Trim() != "") code = run(() => engine.StartInteractive(command));
        }
        return code;
    }

    /// <summary>Reads lines until they make a whole command; null at the end of the input.</summary>
    private static string? ReadCommand()
    {
        var command = new StringBuilder();
        var prompt = "NixBuildFarm> ";
        while (true)
        {
            if (!SystemConsole.IsInputRedirected) SystemConsole.Write(prompt);
            if (SystemConsole.ReadLine() is not { } line) return null;
            command.AppendLine(line);
            Parser.ParseInput(command.ToString(), out _, out var errors);
            if (!errors.Any(e => e.IncompleteInput)) return command.ToString();
            prompt = ">> ";
        }
    }
}
