using System.Management.Automation;
using System.Reflection;
using NixBuildFarm.EngineHost;
using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests.Building;

/// <summary>A session with one of the module's jobs in <c>$job</c>, which does what the test says, and builds nothing.</summary>
internal sealed class TestJob : IDisposable
{
    private static readonly BindingFlags Inner = BindingFlags.NonPublic | BindingFlags.Instance;

    private readonly RecordingSession session = RecordingSession.WithModule();
    private readonly Type type;

    /// <summary>Begins a job and keeps it as the cmdlet does.</summary>
    /// <param name="body">What it does; it writes to the first argument.</param>
    public TestJob(Func<Output, CancellationToken, Task> body)
    {
        type = ((CmdletInfo)session.Run("Get-Command Invoke-NixDistributedBuild").Output.Single().BaseObject)
            .ImplementingType.Assembly.GetType("NixBuildFarm.Building.BackgroundBuild", throwOnError: true)!;
        Job = Add(body);
    }

    public Job Job { get; }

    /// <summary>Begins another one.</summary>
    public Job Add(Func<Output, CancellationToken, Task> body, string variable = "job")
    {
        var job = Make(body);
        session.Run(
            $"function Add-Job {{ [CmdletBinding()] param($Job) $PSCmdlet.JobRepository.Add($Job) }}; Add-Job $args[0]; ${variable} = "
                + "$args[0]",
            job);
        Start(job);
        return job;
    }

    /// <summary>Makes one that has not begun.</summary>
    public Job Make(Func<Output, CancellationToken, Task> body)
    {
        Func<object, CancellationToken, Task> written = (output, stop) => body(new(output), stop);
        return (Job)Activator.CreateInstance(type, Inner, binder: null, ["a build", written], culture: null)!;
    }

    public void Start(Job job) => type.GetMethod("Start", Inner)!.Invoke(job, null);

    /// <summary>Runs a script, which has to come to its end without errors of its own.</summary>
    public IReadOnlyList<object> Run(string script)
    {
        using var running = Begin(script);
        var result = running.Wait(Until.Limit);
        Assert.Null(result.TerminatingError);
        Assert.Empty(result.Errors);
        return [.. result.OutputAs<object>()];
    }

    public RunningScript Begin(string script) => session.Start(script);

    public void Dispose() => session.Dispose();

    /// <summary>The streams of a job, as its body sees them.</summary>
    public sealed class Output(object output)
    {
        public void Object(object value) => Call(nameof(Object), value);

        public void Warning(string message) => Call(nameof(Warning), message);

        public void Error(ErrorRecord error) => Call(nameof(Error), error);

        public void Progress(ProgressRecord record) => Call(nameof(Progress), record);

        private void Call<T>(string method, T argument) where T : class =>
            output.GetType()
                .GetMethod(
                    method,
                    [argument is string or ErrorRecord or ProgressRecord ? argument.GetType() : typeof(object)])!.Invoke(
                        output, [argument]);
    }
}
