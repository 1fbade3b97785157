using System.Text.Json;
using System.Text.Json.Serialization;
using NixBuildFarm.History;
using NixBuildFarm.Observing;

namespace NixBuildFarm.Serving.Control;

/// <summary>What a client of a farm's control socket asks: one line of JSON. One of the properties is set.</summary>
internal sealed record ControlRequest
{
    /// <summary>Builds.</summary>
    public BuildLine? Build { get; init; }

    /// <summary>Asks what the farm does.</summary>
    public bool Status { get; init; }

    /// <summary>Ends a run.</summary>
    public string? Stop { get; init; }

    /// <summary>Ends the farm.</summary>
    public bool Shutdown { get; init; }
}

/// <summary>An order.</summary>
internal sealed record BuildLine
{
    /// <summary>Derivations, each as the protocol of Nix's daemon writes it.</summary>
    public required IReadOnlyList<string> Derivations { get; init; }

    /// <summary>The same in the user's words.</summary>
    public IReadOnlyList<string> Named { get; init; } = [];

    /// <summary>What the user has set.</summary>
    public ClientSettings Settings { get; init; } = new();

    /// <summary>How urgent it is among what the same user asks for.</summary>
    public BuildPriority Priority { get; init; }

    /// <summary>Whether the run goes on when the client goes away.</summary>
    public bool IsDetached { get; init; }
}

/// <summary>What the farm answers: lines of JSON, of which the last has <see cref="IsLast"/>. One of the other properties is set.</summary>
internal sealed record ControlAnswer
{
    /// <summary>Whether nothing more comes.</summary>
    public bool IsLast { get; init; }

    /// <summary>The run has begun.</summary>
    public string? RunId { get; init; }

    /// <summary>It is known what was asked for.</summary>
    public BegunRun? Began { get; init; }

    /// <summary>It is known what there is to do.</summary>
    public IReadOnlyList<FoundDerivation>? Found { get; init; }

    /// <summary>The run has ended.</summary>
    public RunState? Over { get; init; }

    /// <summary>A derivation has ended.</summary>
    public NixBuildResult? Result { get; init; }

    /// <summary>The run is where this says.</summary>
    public RunProgress? Progress { get; init; }

    /// <summary>A path is copied.</summary>
    public RunningCopy? Copying { get; init; }

    /// <summary>A build has printed a line.</summary>
    public PrintedLine? Printed { get; init; }

    /// <summary>A decision was taken.</summary>
    public string? Decided { get; init; }

    /// <summary>Something is not as it should be.</summary>
    public string? Degraded { get; init; }

    /// <summary>The request was not carried out.</summary>
    public ControlError? Error { get; init; }

    /// <summary>What the farm does.</summary>
    public NixFarm? Status { get; init; }

    /// <summary>The news of a run as a line; null: it is none for clients.</summary>
    public static ControlAnswer? Of(RunNews news) => news switch
    {
        RunNews.Began(var run, var requested) => new() { Began = new(run, requested) },
        RunNews.Found(var derivations) => new() { Found = derivations },
        RunNews.Over(var state) => new() { Over = state },
        RunNews.Ended(var result) => new() { Result = result },
        RunNews.Progressed(var progress) => new() { Progress = progress },
        RunNews.Printed(var build, var line) => new() { Printed = new(build, line) },
        RunNews.Copying(var copy) => new() { Copying = copy },
        RunNews.Decided(var message) => new() { Decided = message },
        RunNews.Degraded(var message) => new() { Degraded = message },
        RunNews.BuilderFailed(_, var error) =>
            new() { Degraded = string.Join(' ', new[] { error.Message, error.Recommendation }.OfType<string>()) },
        RunNews.HistoryFailed(var error) =>
            new() { Degraded = string.Join(' ', new[] { error.Message, error.Recommendation }.OfType<string>()) },
        _ => null,
    };

    /// <summary>The news of a run that a line tells; null: it tells something else.</summary>
    public RunNews? ToNews() => this switch
    {
        { Began: { } begun } => new RunNews.Began(begun.RunId, begun.Requested),
        { Found: { } derivations } => new RunNews.Found(derivations),
        { Over: { } state } => new RunNews.Over(state),
        { Result: { } result } => new RunNews.Ended(result),
        { Progress: { } progress } => new RunNews.Progressed(progress),
        { Copying: { } copy } => new RunNews.Copying(copy),
        { Printed: { } printed } => new RunNews.Printed(printed.Build, printed.Line),
        { Decided: { } message } => new RunNews.Decided(message),
        { Degraded: { } message } => new RunNews.Degraded(message),
        _ => null,
    };
}

/// <summary>A run, and what was asked for in the user's words.</summary>
internal sealed record BegunRun(string RunId, IReadOnlyList<string> Requested);

/// <summary>A line that a build has printed.</summary>
internal sealed record PrintedLine(RunningBuild Build, string Line);

/// <summary>Why a request was not carried out.</summary>
internal sealed record ControlError(string Id, string Message, string? Recommendation);

/// <summary>How the lines are written.</summary>
internal static class ControlJson
{
    /// <summary>The longest line that is read, in bytes: an order of a hundred thousand derivations.</summary>
    public const int LongestLine = 16 << 20;

    /// <summary>Its options.</summary>
    public static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter() },
    };
}
