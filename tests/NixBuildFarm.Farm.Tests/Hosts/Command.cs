using System.ComponentModel;
using System.Diagnostics;

namespace NixBuildFarm.Farm.Tests.Hosts;

/// <summary>A program that runs; arguments are passed as they are, no shell reads them.</summary>
public sealed class Command : IDisposable
{
    private readonly Process process;
    private readonly string commandLine;

    private Command(Process process, string commandLine)
    {
        this.process = process;
        this.commandLine = commandLine;
    }

    /// <summary>Its standard output, for a test that follows it; else <see cref="WaitAsync"/> reads it.</summary>
    public TextReader Output => process.StandardOutput;

    public bool HasEnded => process.HasExited;

    /// <summary>Starts a program; its standard input is empty.</summary>
    public static Command Start(string program, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            var started = Process.Start(start)!;
            started.StandardInput.Close();
            return new Command(started, string.Join(' ', [program, .. start.ArgumentList]));
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException($"{program} cannot be run: {e.Message}", e);
        }
    }

    /// <summary>Runs a program to its end, or until the test is cancelled.</summary>
    public static async Task<CommandResult> RunAsync(string program, params IEnumerable<string> arguments)
    {
        using var command = Start(program, arguments);
        return await command.WaitAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Sends it what Ctrl-C sends.</summary>
    public Task InterruptAsync() => RunAsync("bash", "-c", "kill -INT \"$1\"", "-", $"{process.Id}");

    /// <summary>Waits for its end.</summary>
    /// <exception cref="TimeoutException">It has not ended within <see cref="Until.Limit"/>, and was killed.</exception>
    public async Task<CommandResult> WaitAsync(CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Until.Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return new CommandResult(commandLine, process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"{commandLine}\nhas not ended within {Until.Limit}.", e);
        }
    }

    /// <summary>Kills it if it still runs.</summary>
    public void Dispose()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        process.Dispose();
    }
}

/// <summary>What a program left behind.</summary>
public sealed record CommandResult(string CommandLine, int ExitCode, string Output, string Error)
{
    public bool Succeeded => ExitCode == 0;

    public override string ToString() => $"{CommandLine}\nexit code {ExitCode}\n{Output}{Error}";
}
