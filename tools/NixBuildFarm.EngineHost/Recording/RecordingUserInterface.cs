using System.Collections.Concurrent;
using System.Collections.ObjectModel;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Management.Automation.Internal;
using System.Security;
using System.Text;

namespace NixBuildFarm.EngineHost.Recording;

/// <summary>Keeps all text without colour; gives prepared answers, and fails where none is prepared.</summary>
public sealed class RecordingUserInterface : PSHostUserInterface
{
    private readonly StringBuilder text = new();
    private readonly ConcurrentQueue<string> questions = new();

    /// <summary>All text in the order of writing, errors and warnings too, as plain text.</summary>
    public string Text
    {
        get
        {
            lock (text) return text.ToString();
        }
    }

    /// <summary>What was asked: message by message.</summary>
    public IReadOnlyCollection<string> Questions => questions;

    /// <summary>The answers to come: a choice's label without <c>&amp;</c>, a line, a password.</summary>
    public Queue<string> Answers { get; } = new();

    /// <summary>Columns of the screen.</summary>
    public int Width { get; set; } = FixedRawUserInterface.DefaultWidth;

    public override PSHostRawUserInterface RawUI => new FixedRawUserInterface(() => Width);

    public override bool SupportsVirtualTerminal => false;

    /// <summary>Forgets the text so far.</summary>
    public void Clear()
    {
        lock (text) text.Clear();
    }

    public override void Write(string value)
    {
        lock (text) text.Append(new StringDecorated(value).ToString(OutputRendering.PlainText));
    }

    public override void Write(ConsoleColor foregroundColor, ConsoleColor backgroundColor, string value) => Write(value);

    public override void WriteLine(string value) => Write(value + "\n");

    public override void WriteErrorLine(string value) => WriteLine(value);

    public override void WriteWarningLine(string message) => WriteLine("WARNING: " + message);

    public override void WriteVerboseLine(string message) => WriteLine("VERBOSE: " + message);

    public override void WriteDebugLine(string message) => WriteLine("DEBUG: " + message);

    public override void WriteProgress(long sourceId, ProgressRecord record)
    {
        // ScriptResult.Progress has them.
    }

    public override string ReadLine() => Answer("a line");

    public override SecureString ReadLineAsSecureString() => Secure(Answer("a secret line"));

    public override int PromptForChoice(string caption, string message, Collection<ChoiceDescription> choices, int defaultChoice)
    {
        var answer = Answer(message);
        var labels = choices.Select(c => c.Label.Replace("&", "")).ToList();
        var index = labels.IndexOf(answer);
        return index >= 0 ? index : throw new InvalidOperationException($"“{answer}” is none of {string.Join(", ", labels)}.");
    }

    public override Dictionary<string, PSObject> Prompt(string caption, string message, Collection<FieldDescription> descriptions) =>
        descriptions.ToDictionary(d => d.Name, d => PSObject.AsPSObject(Answer(d.Name)));

    public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName) =>
        new(userName, Secure(Answer(message)));

    public override PSCredential PromptForCredential(
        string caption, string message, string userName, string targetName, PSCredentialTypes allowedCredentialTypes,
        PSCredentialUIOptions options) =>
        PromptForCredential(caption, message, userName, targetName);

    private string Answer(string question)
    {
        questions.Enqueue(question);
        return Answers.TryDequeue(out var answer) ? answer : throw new InvalidOperationException($"No answer is prepared for: {question}");
    }

    private static SecureString Secure(string value)
    {
        var secure = new SecureString();
        foreach (var c in value) secure.AppendChar(c);
        return secure;
    }
}
