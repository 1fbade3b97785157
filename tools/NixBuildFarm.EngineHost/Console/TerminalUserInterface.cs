using System.Collections.ObjectModel;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Security;
using SystemConsole = System.Console;

namespace NixBuildFarm.EngineHost.Console;

/// <summary>Output on standard output; errors, warnings and the like on standard error; questions where someone can answer.</summary>
internal sealed class TerminalUserInterface : PSHostUserInterface
{
    private static readonly bool IsCapable = Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");
    private static readonly bool HasColour = IsCapable && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    private static readonly bool ErrorHasColour = HasColour && !SystemConsole.IsErrorRedirected;

    private readonly Lock writing = new();
    private readonly StatusLine? status = IsCapable && !SystemConsole.IsErrorRedirected ? new StatusLine(SystemConsole.Error, Width) : null;

    public override PSHostRawUserInterface RawUI { get; } = new FixedRawUserInterface(Width);

    public override bool SupportsVirtualTerminal => HasColour && !SystemConsole.IsOutputRedirected;

    public override void Write(string value) => Write(SystemConsole.Out, GetOutputString(value, SupportsVirtualTerminal));

    public override void Write(ConsoleColor foregroundColor, ConsoleColor backgroundColor, string value) => Write(value);

    public override void WriteLine(string value) => Write(value + "\n");

    public override void WriteErrorLine(string value) => WriteErrorLine(PSStyle.Instance.Formatting.Error, value);

    public override void WriteWarningLine(string message) => WriteErrorLine(PSStyle.Instance.Formatting.Warning, "WARNING: " + message);

    public override void WriteVerboseLine(string message) => WriteErrorLine(PSStyle.Instance.Formatting.Verbose, "VERBOSE: " + message);

    public override void WriteDebugLine(string message) => WriteErrorLine(PSStyle.Instance.Formatting.Debug, "DEBUG: " + message);

    public override void WriteProgress(long sourceId, ProgressRecord record)
    {
        lock (writing) status?.Show(record);
    }

    /// <summary>Takes progress away that nobody has completed.</summary>
    public void ClearProgress()
    {
        lock (writing) status?.Clear();
    }

    public override string ReadLine() =>
        SystemConsole.ReadLine() ?? throw new HostException("An answer is needed, and standard input has ended.");

    public override SecureString ReadLineAsSecureString()
    {
        if (SystemConsole.IsInputRedirected) throw new HostException("A secret is read from a terminal only, and standard input is none.");
        var line = new SecureString();
        while (SystemConsole.ReadKey(intercept: true) is { Key: not ConsoleKey.Enter } key)
        {
            if (key.Key != ConsoleKey.Backspace) line.AppendChar(key.KeyChar);
            else if (line.Length > 0) line.RemoveAt(line.Length - 1);
        }
        WriteLine("");
        return line;
    }

    public override int PromptForChoice(string caption, string message, Collection<ChoiceDescription> choices, int defaultChoice)
    {
        var offered = choices.Select(Choice.Read).ToList();
        WriteLine($"{caption}\n{message}");
        while (true)
        {
            Write($"{string.Join("  ", offered)} (default is {offered[defaultChoice].Key}): ");
            var answer = ReadLine().Trim();
            if (answer == "") return defaultChoice;
            var index = offered.FindIndex(c => c.IsMeantBy(answer));
            if (index >= 0) return index;
        }
    }

    public override Dictionary<string, PSObject> Prompt(string caption, string message, Collection<FieldDescription> descriptions)
    {
        WriteLine($"{caption}\n{message}");
        return descriptions.ToDictionary(d => d.Name, d =>
        {
            Write(d.Name + ": ");
            return PSObject.AsPSObject(ReadLine());
        });
    }

    public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName)
    {
        WriteLine($"{caption}\n{message}");
        if (string.IsNullOrEmpty(userName))
        {
            Write("User: ");
            userName = ReadLine();
        }
        Write($"Password for {userName}: ");
        return new PSCredential(userName, ReadLineAsSecureString());
    }

    public override PSCredential PromptForCredential(
        string caption, string message, string userName, string targetName, PSCredentialTypes allowedCredentialTypes,
        PSCredentialUIOptions options) =>
        PromptForCredential(caption, message, userName, targetName);

    private static int Width()
    {
        if (SystemConsole.IsOutputRedirected) return FixedRawUserInterface.DefaultWidth;
        return SystemConsole.WindowWidth is > 0 and var columns ? columns : FixedRawUserInterface.DefaultWidth;
    }

    private void WriteErrorLine(string colour, string value) =>
        Write(SystemConsole.Error, GetOutputString($"{colour}{value}{PSStyle.Instance.Reset}", ErrorHasColour) + "\n");

    private void Write(TextWriter stream, string value)
    {
        lock (writing)
        {
            if (status is null) stream.Write(value);
            else status.Around(() => stream.Write(value), value.EndsWith('\n'));
        }
    }

    private sealed record Choice(string Key, string Label)
    {
        public static Choice Read(ChoiceDescription description)
        {
            var mark = description.Label.IndexOf('&');
            var label = description.Label.Replace("&", "");
            return new Choice(mark >= 0 && mark < label.Length ? label[mark].ToString().ToUpperInvariant() : label, label);
        }

        public bool IsMeantBy(string answer) =>
            answer.Equals(Key, StringComparison.OrdinalIgnoreCase) || answer.Equals(Label, StringComparison.OrdinalIgnoreCase);

        public override string ToString() => $"[{Key}] {Label}";
    }
}
