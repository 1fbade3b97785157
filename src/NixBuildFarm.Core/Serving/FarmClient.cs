using System.Net.Sockets;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Serving.Control;

namespace NixBuildFarm.Serving;

/// <summary>Speaks to a farm that serves, from another session of its user.</summary>
public sealed class FarmClient
{
    /// <summary>The name of the farm that commands join without being asked.</summary>
    public const string DefaultName = "default";

    /// <summary>
    /// The environment variable by which any command that a farm serves says how urgent it is: a <see cref="BuildPriority"/>.
    /// </summary>
    public const string PriorityVariable = "NIXBUILDFARM_PRIORITY";

    private readonly FarmFolder folder;

    private FarmClient(FarmFolder folder) => this.folder = folder;

    /// <summary>The farm's name.</summary>
    public string Name => folder.Name;

    /// <summary>What clients give as <c>NIX_REMOTE</c>.</summary>
    public string Address => $"unix://{folder.Socket}";

    /// <summary>The farms of this user that serve.</summary>
    public static IReadOnlyList<FarmClient> All() =>
        [.. FarmFolder.All().Where(folder => folder.IsServed).Select(folder => new FarmClient(folder))];

    /// <summary>The farm of a name; null: it does not serve.</summary>
    /// <exception cref="NixBuildFarmException">No farm can have this name.</exception>
    public static FarmClient? Find(string name) => new FarmFolder(name) is { IsServed: true } folder ? new(folder) : null;

    /// <summary>Asks what the farm does.</summary>
    /// <exception cref="NixBuildFarmException">It does not answer.</exception>
    public async Task<NixFarm> StatusAsync(CancellationToken cancellation) =>
        (await AskAsync(new() { Status = true }, cancellation)).Status ?? throw NoAnswer(null);

    /// <summary>Ends a run of the farm.</summary>
    /// <exception cref="NixBuildFarmException">It has no such run, or does not answer.</exception>
    public Task StopAsync(string runId, CancellationToken cancellation) => AskAsync(new() { Stop = runId }, cancellation);

    /// <summary>Ends the farm, and waits until it has ended.</summary>
    /// <exception cref="NixBuildFarmException">It does not answer.</exception>
    public async Task ShutdownAsync(CancellationToken cancellation)
    {
        await AskAsync(new() { Shutdown = true }, cancellation);
        while (folder.IsServed) await Task.Delay(TimeSpan.FromMilliseconds(50), cancellation);
    }

    /// <summary>Has the farm build.</summary>
    /// <param name="order">What, and how.</param>
    /// <param name="isDetached">Whether the run goes on when this process ends; this returns as soon as the run has begun then.</param>
    /// <param name="observer">Is told what happens.</param>
    /// <param name="cancellation">Calls it off, unless it is detached.</param>
    /// <returns>The run's id.</returns>
    /// <exception cref="NixBuildFarmException">The farm could not build at all, or is lost.</exception>
    public async Task<string> BuildAsync(FarmOrder order, bool isDetached, IBuildObserver observer, CancellationToken cancellation)
    {
        await using var connection = await ConnectAsync(cancellation);
        await connection.WriteAsync(
            new ControlRequest
            {
                Build = new()
                {
                    Derivations = [.. order.Derivations.Select(requested => requested.ToDerivedPath().ToString())],
                    Named = order.Named,
                    Settings = new()
                    {
                        KeepGoing = order.KeepGoing,
                        MaxSilentTime = order.MaxSilentTime,
                        Timeout = order.Timeout,
                        Cores = order.Cores,
                    },
                    Priority = order.Priority,
                    IsDetached = isDetached,
                },
            },
            cancellation);
        var runId = "";
        while (await ReadAsync(connection, cancellation) is { } answer)
        {
            runId = answer.RunId ?? runId;
            if (answer.ToNews() is { } news) observer.Observe(news);
            if (answer.IsLast) return runId;
        }
        throw NoAnswer(null);
    }

    private async Task<ControlAnswer> AskAsync(ControlRequest request, CancellationToken cancellation)
    {
        await using var connection = await ConnectAsync(cancellation);
        await connection.WriteAsync(request, cancellation);
        return await ReadAsync(connection, cancellation) ?? throw NoAnswer(null);
    }

    private async Task<ControlAnswer?> ReadAsync(ControlConnection connection, CancellationToken cancellation)
    {
        try
        {
            var answer = await connection.ReadAsync<ControlAnswer>(cancellation);
            return answer?.Error is { } error ? throw new NixBuildFarmException(error.Id, error.Message, error.Recommendation) : answer;
        }
        catch (Exception e) when (e is IOException or WireException)
        {
            throw NoAnswer(e);
        }
    }

    private async Task<ControlConnection> ConnectAsync(CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(folder.Control), cancellation);
            return new(new NetworkStream(socket, ownsSocket: true));
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw NoAnswer(e);
        }
    }

    private NixBuildFarmException NoAnswer(Exception? cause) => new(
        "FarmLost", $"The farm {Name} does not answer, or has ended{(cause is null ? "" : $": {cause.Message}")}.",
        $"See {folder.Log}, and start it anew: Start-NixBuildFarm {Name}", cause);
}

/// <summary>What a farm is to build for another session.</summary>
/// <param name="Derivations">The derivations.</param>
/// <param name="Named">The same in the user's words.</param>
public sealed record FarmOrder(IReadOnlyList<RequestedDerivation> Derivations, IReadOnlyList<string> Named)
{
    /// <summary>Whether what does not depend on a failed build is built all the same.</summary>
    public bool KeepGoing { get; init; }

    /// <summary>A build that prints nothing for this long is ended; null: as the farm has it.</summary>
    public TimeSpan? MaxSilentTime { get; init; }

    /// <summary>A build that takes longer is ended; null: as the farm has it.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Cores of each build; null: as the farm has it.</summary>
    public int? Cores { get; init; }

    /// <summary>How urgent it is among what the same user asks for.</summary>
    public BuildPriority Priority { get; init; }
}
