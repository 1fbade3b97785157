using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Serving;

/// <summary>
/// One client of the front, from its greeting to its end. What it asks to build goes to the farm; everything else goes to the local daemon,
/// over a connection of its own, and comes back as it is.
/// </summary>
/// <param name="client">To the client and from it.</param>
/// <param name="local">Reaches the local daemon.</param>
/// <param name="builds">Builds on the farm.</param>
/// <param name="isTrusted">
/// Whether the client has all rights that the front's own user has at the local daemon; else those of a user whom the daemon does not
/// trust.
/// </param>
internal sealed class ClientSession(Stream client, IBuilderTransport local, IBuildService builds, bool isTrusted) : IAsyncDisposable
{
    private const ulong BuildPaths = (ulong)WorkerOperation.BuildPaths;
    private const ulong BuildPathsWithResults = (ulong)WorkerOperation.BuildPathsWithResults;
    private const ulong BuildDerivation = (ulong)WorkerOperation.BuildDerivation;
    private const ulong QueryMissing = (ulong)WorkerOperation.QueryMissing;

    private readonly WireReader reader = new(client);
    private readonly WireWriter writer = new();
    private readonly ClientNotes notes = new(client);
    private SessionConnection? session;
    private SettingsMessage? settings;
    private bool hasAskedForMissing;
    private (Passage There, Passage Back)? passages;

    private DaemonConnection Daemon => session!.Daemon;

    private ClientSettings Settings => settings?.Settings ?? new();

    /// <summary>Serves the client until it goes away.</summary>
    /// <exception cref="WireException">It sends what no client of Nix sends.</exception>
    /// <exception cref="BuilderException">The local daemon is lost.</exception>
    public async Task ServeAsync(CancellationToken cancellation)
    {
        if (!await reader.WaitAsync(cancellation)) return;
        session = await new ClientGreeting(client, reader, local, isTrusted).GreetAsync(cancellation);
        while (await reader.WaitAsync(cancellation))
        {
            reader.BeginMessage();
            var number = await reader.ReadUInt64Async(cancellation);
            if (Operation.Of(number) is not { } operation)
            {
                // Where it ends nobody knows, so that this is the end of the connection too.
                await RefuseAsync($"The operation {number} is not known to NixBuildFarm.", cancellation);
                return;
            }
            hasAskedForMissing |= number == QueryMissing;
            await ServeAsync(number, operation, cancellation);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (session is not null) await session.DisposeAsync();
        await client.DisposeAsync();
    }

    private Task ServeAsync(ulong number, Operation operation, CancellationToken cancellation) => number switch
    {
        Operation.SetOptions => PassSettingsAsync(operation, cancellation),
        BuildPaths or BuildPathsWithResults => BuildPathsAsync(number, operation, cancellation),
        BuildDerivation => BuildDerivationAsync(operation, cancellation),
        _ when !isTrusted && Restriction.Of(number) is { } restriction => restriction.Refusal is { } refusal
            ? RefuseAsync(operation, refusal, cancellation)
            : PassAsync(operation, passage => passage.PutAsync(number, cancellation), restriction.Request, cancellation),
        _ => PassAsync(operation, passage => passage.PutAsync(number, cancellation), operation.Request, cancellation),
    };

    /// <summary>Passes a request on as it comes, and what the daemon says to it meanwhile.</summary>
    /// <param name="operation">The request.</param>
    /// <param name="begin">Writes what has been read of it already.</param>
    /// <param name="rest">What is still to come of it.</param>
    /// <param name="cancellation">Ends the session.</param>
    /// <returns>Whether the daemon has carried it out.</returns>
    private Task<bool> PassAsync(Operation operation, Func<Passage, ValueTask> begin, Layout rest, CancellationToken cancellation) =>
        PassAsync(begin, rest, operation.Reply, cancellation);

    private async Task<bool> PassAsync(Func<Passage, ValueTask> begin, Layout rest, Layout reply, CancellationToken cancellation)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Exception? broken = null;
        try
        {
            return await Daemon.PassAsync(PassBothAsync, either.Token);
        }
        catch (OperationCanceledException) when (broken is not null)
        {
            throw broken;
        }

        async Task<bool> PassBothAsync(WireReader answers, Stream requests, CancellationToken token)
        {
            // They are empty between requests, and there are thousands of those: each would cost two buffers.
            var (there, back) = passages ??= (new(reader, requests, Daemon.Version), new(answers, client, Daemon.Version));
            var replying = StderrPassage.PassAsync(back, reply, token);
            try
            {
                await begin(there);
                await rest(there, token);
                await there.FlushAsync(token);
            }
            catch (Exception e)
            {
                // The client has ended in the middle of a request: nobody reads the reply.
                broken = e;
                await either.CancelAsync();
                await Task.WhenAny(replying);
                throw;
            }
            return await replying;
        }
    }

    private async Task PassSettingsAsync(Operation operation, CancellationToken cancellation)
    {
        var given = await SettingsMessage.ReadAsync(reader, cancellation);
        if (!isTrusted) given = given with { Named = ClientSettings.Allowed(given.Named) };
        if (await PassAsync(operation, given.ForLocalDaemon(), cancellation)) settings = given;
    }

    /// <summary>Passes on what the local daemon builds itself, on this machine alone.</summary>
    /// <param name="operation">The request.</param>
    /// <param name="request">All of it.</param>
    /// <param name="why">Why the farm does not build it; null: nothing is to be built.</param>
    /// <param name="cancellation">Ends the session.</param>
    private async Task PassBuildAsync(Operation operation, WireWriter request, string? why, CancellationToken cancellation)
    {
        if (why is not null)
        {
            await notes.BuildsHereAsync(why, cancellation);
            // A client over ssh gives no settings, and the daemon would hand the build to builders of its own.
            if (settings is null) await Daemon.SetOptionsAsync(SettingsMessage.OfSilentClient, cancellation);
        }
        await PassAsync(operation, request, cancellation);
    }

    private Task<bool> PassAsync(Operation operation, WireWriter request, CancellationToken cancellation) =>
        PassAsync(operation, passage => passage.WriteAsync(request.Written, cancellation), Layouts.Nothing, cancellation);

    private async Task BuildPathsAsync(ulong number, Operation operation, CancellationToken cancellation)
    {
        var texts = await reader.ReadStringsAsync(WireLimits.Text, cancellation);
        var mode = await reader.ReadUInt64Async(cancellation);
        var request = new WireWriter();
        request.WriteUInt64(number);
        request.WriteStrings(texts);
        request.WriteUInt64(mode);
        var wanted = texts.Select(text => DerivedPath.TryParse(text, out var path) ? path : null).ToArray();
        if (mode == (ulong)BuildMode.Repair && !isTrusted)
        {
            await RefuseAsync(Restriction.Repair, cancellation);
            return;
        }
        var isForFarm = mode == (ulong)BuildMode.Normal && wanted.All(path => path is not null)
            && wanted.Any(path => path!.Outputs is not null);
        if (!isForFarm)
        {
            await PassBuildAsync(operation, request, ClientNotes.WhyHere(mode, texts.Zip(wanted)), cancellation);
            return;
        }
        // A command that builds asks first what is missing, and prints it; an evaluation that needs a derivation does not.
        var order = BuildOrders.Of(wanted!, Settings) with { IsForEvaluation = !hasAskedForMissing };
        hasAskedForMissing = false;
        var build = await BuildAsync(order, cancellation);
        // The daemon finds everything there, and keeps it from the garbage collector as long as this client stays.
        if (build.IsSuccess) await PassAsync(operation, request, cancellation);
        else if (number == BuildPaths) await RefuseAsync(build.Message, cancellation, build.Details);
        else await AnswerAsync(wanted!, build, cancellation);
    }

    private async Task BuildDerivationAsync(Operation operation, CancellationToken cancellation)
    {
        var path = await reader.ReadStorePathAsync(cancellation);
        var derivation = await BasicDerivationLayout.ReadAsync(reader, cancellation);
        var mode = await reader.ReadUInt64Async(cancellation);
        var request = new WireWriter();
        request.WriteUInt64(BuildDerivation);
        request.WriteStorePath(path);
        BasicDerivationLayout.Write(request, derivation);
        request.WriteUInt64(mode);
        if (!isTrusted
            && (mode == (ulong)BuildMode.Repair
                || derivation.Outputs.Values.Any(output => output.Kind == DerivationOutputKind.InputAddressed)))
        {
            // Whoever may say what comes of inputs may put anything under the path of a program that others run.
            await RefuseAsync(mode == (ulong)BuildMode.Repair ? Restriction.Repair : Restriction.InputAddressed, cancellation);
            return;
        }
        var isForFarm = mode == (ulong)BuildMode.Normal && derivation.Outputs.Values.All(output => output.Path is not null);
        if (!isForFarm)
        {
            await PassBuildAsync(operation, request, ClientNotes.WhyHere(mode, path), cancellation);
            return;
        }
        var build = await BuildAsync(BuildOrders.Of(path, derivation, Settings), cancellation);
        if (build.IsSuccess)
        {
            await PassAsync(operation, request, cancellation);
            return;
        }
        StderrFrame.WriteLast(writer);
        BuildResultLayout.Write(writer, build.ResultOf(path), Daemon.Version);
        await SendAsync(cancellation);
    }

    /// <summary>Has the farm build, and tells the client what goes on there. A client that goes away wants it no longer.</summary>
    private async Task<FarmBuild> BuildAsync(BuildOrder order, CancellationToken cancellation)
    {
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var presence = WatchAsync();
        try
        {
            if (settings is { NamesBuilders: true }) await notes.HasOwnBuildersAsync(cancellation);
            IReadOnlyList<NixBuildResult> results;
            await using (var log = new ClientLog(client)) results = await builds.Begin(order, log, leaving.Token).Results;
            if (order.Settings.KeepFailed) await notes.HasKeptNothingAsync(results, cancellation);
            return FarmBuild.Of(results);
        }
        catch (NixBuildFarmException e)
        {
            return FarmBuild.Refused(e);
        }
        catch (OperationCanceledException) when (!leaving.IsCancellationRequested)
        {
            return FarmBuild.Refused(new("RunStopped", "The builds were stopped: Stop-NixBuild."));
        }
        finally
        {
            await leaving.CancelAsync();
            await presence;
        }

        async Task WatchAsync()
        {
            try
            {
                if (!await reader.WaitAsync(leaving.Token)) await leaving.CancelAsync();
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                await leaving.CancelAsync();
            }
        }
    }

    /// <summary>Answers a request of which a part has failed: the daemon describes the others, which are there.</summary>
    private async Task AnswerAsync(IReadOnlyList<DerivedPath> wanted, FarmBuild build, CancellationToken cancellation)
    {
        DerivedPath[] failed = [.. wanted.Where(path => path.Outputs is not null && build.HasFailed(path.Path))];
        var rest = new WireWriter();
        rest.WriteUInt64(BuildPathsWithResults);
        DerivedPathLayout.Write(rest, [.. wanted.Except(failed)]);
        rest.WriteUInt64((ulong)BuildMode.Normal);
        var failures = new WireWriter();
        foreach (var path in failed)
        {
            failures.WriteString(path.ToString());
            BuildResultLayout.Write(failures, build.ResultOf(path.Path), Daemon.Version);
        }
        await PassAsync(
            passage => passage.WriteAsync(rest.Written, cancellation),
            Layouts.Nothing,
            Layouts.Extended(Operation.KeyedResult, (ulong)failed.Length, failures.Written),
            cancellation);
    }

    /// <summary>Reads a request to its end, and refuses it.</summary>
    private async Task RefuseAsync(Operation operation, string message, CancellationToken cancellation)
    {
        await operation.Request(new Passage(reader, Stream.Null, Daemon.Version), cancellation);
        await RefuseAsync(message, cancellation);
    }

    private async Task RefuseAsync(string message, CancellationToken cancellation, IReadOnlyList<string>? details = null)
    {
        foreach (var detail in details ?? []) StderrFrame.Write(writer, new DaemonLogLine($"error: {detail}"));
        StderrFrame.WriteError(writer, message);
        await SendAsync(cancellation);
    }

    private async Task SendAsync(CancellationToken cancellation)
    {
        await client.WriteAsync(writer.Written, cancellation);
        writer.Clear();
    }
}
