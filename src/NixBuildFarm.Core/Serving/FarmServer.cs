using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Reporting.Events;
using NixBuildFarm.Running;
using NixBuildFarm.Serving.Control;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Serving;

/// <summary>A farm that serves: Nix clients over the front, and cmdlets of other sessions over the control socket.</summary>
public sealed class FarmServer : IAsyncDisposable
{
    /// <summary>Nobody sits before a farm that serves: it waits for its builders over a night, and a network that is away.</summary>
    private static readonly TimeSpan LongestAbsence = TimeSpan.FromDays(1);

    private readonly FarmFolder folder;
    private readonly Front front;
    private readonly ControlServer control;
    private readonly FarmBuilds builds;
    private readonly IReadOnlyList<string> builders;
    private readonly IReadOnlySet<uint> guests;
    private readonly bool isTemporary;
    private readonly DateTimeOffset started = DateTimeOffset.UtcNow;
    private readonly TaskCompletionSource shutdown = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Makes a farm; nobody can connect yet.</summary>
    /// <param name="name">Its name; null: it has none, and nothing of it stays when it ends.</param>
    /// <param name="request">The builders, and how the owner wants things built; what is built clients say.</param>
    /// <param name="transports">How builders are reached, the local one too.</param>
    /// <param name="history">What earlier runs have taught, and what these teach; the caller disposes of it.</param>
    /// <param name="observer">Is told what happens in all runs.</param>
    /// <param name="guests">The ids of other users who are let in, without the rights of this one.</param>
    public FarmServer(
        string? name, BuildRequest request, IBuilderTransportFactory transports, IRunHistory history, IBuildObserver observer,
        IReadOnlySet<uint>? guests = null)
    {
        isTemporary = name is null;
        this.guests = guests ?? new HashSet<uint>();
        folder = new(name ?? $"{Environment.ProcessId}-{Guid.NewGuid():N}"[..20]);
        builders = [.. request.Builders.Select(builder => builder.Name)];
        builds = new(
            isTemporary ? request : request with { MaxAbsence = request.MaxAbsence ?? LongestAbsence }, transports, history, observer)
        {
            WatchFolder = WatchFile.DefaultFolder,
        };
        front = new(folder.Socket, transports.Create(NixBuilder.LocalStore, new()), builds, this.guests, observer.Decided);
        control = new(folder.Control, builds, () => Status, () => shutdown.TrySetResult(), observer.Decided);
    }

    /// <summary>What clients give as <c>NIX_REMOTE</c>.</summary>
    public string Address => $"unix://{folder.Socket}";

    /// <summary>Ends when somebody has asked the farm to end.</summary>
    public Task Shutdown => shutdown.Task;

    /// <summary>The farm as it is now.</summary>
    public NixFarm Status => new()
    {
        Name = folder.Name,
        Address = Address,
        ProcessId = Environment.ProcessId,
        Started = started,
        Builders = builders,
        Clients = front.Clients,
        Runs = builds.Runs,
        LogPath = folder.Log,
    };

    /// <summary>Begins to take clients.</summary>
    /// <exception cref="NixBuildFarmException">It runs already, or its sockets cannot be made.</exception>
    public void Start()
    {
        folder.Hold(guests.Count > 0);
        front.Start();
        control.Start();
    }

    /// <summary>Ends the sessions of all clients, with what is built for them.</summary>
    public async ValueTask DisposeAsync()
    {
        await front.DisposeAsync();
        await control.DisposeAsync();
        await builds.DisposeAsync();
        if (isTemporary) folder.Remove();
        else folder.Dispose();
    }
}
