using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;

namespace NixBuildFarm.FollowUp;

/// <summary>
/// Puts paths of the local store, with all that they refer to, into another store: by Nix itself, which knows the kinds of stores.
/// </summary>
/// <param name="secretKeys">Files with private keys of this machine; the first signs for a binary cache whose URI names no key.</param>
/// <param name="warn">Receives a message where that key cannot be read, once.</param>
/// <param name="time">The clock.</param>
internal sealed class StorePush(IReadOnlyList<string> secretKeys, Action<string> warn, TimeProvider time)
{
    private static readonly string[] Words =
        ["--extra-experimental-features", "nix-command", "copy", "--log-format", "internal-json", "-v", "--to"];

    private static readonly string[] BinaryCaches = ["s3", "http", "https", "file"];

    private int hasWarned;

    /// <summary>Does it; what the store has already is not sent.</summary>
    /// <exception cref="NixBuildFarmException">The store has not got all of them.</exception>
    public async Task PushAsync(string store, IEnumerable<StorePath> paths, CancellationToken cancellation)
    {
        using var silence = new SilenceWatch(PushChannel.Patience, time, cancellation);
        var log = new EvaluationLog(heard: null);
        try
        {
            await NixCommand.RunAsync(
                "nix",
                [.. Words, Signed(store), .. paths.Select(path => path.ToString())],
                listen: line =>
                {
                    silence.Resume();
                    return log.Read(line);
                },
                cancellation: silence.Token);
        }
        catch (OperationCanceledException) when (silence.HasRunOut && !cancellation.IsCancellationRequested)
        {
            throw new NixBuildFarmException(
                "PushFailed", $"“nix copy” has said nothing for {PushChannel.Patience.TotalMinutes} minutes.");
        }
        catch (NixBuildFarmException e) when (StoreUri.WithoutSecretsOf(store, e.Message) is var message && message != e.Message)
        {
            // Without the cause, which says it as Nix did.
            throw new NixBuildFarmException(e.Id, message, e.Recommendation);
        }
    }

    /// <summary>
    /// The URI, with the key that signs. Of <c>secret-key-files</c> Nix takes notice only where it builds, and not where it copies what was
    /// built elsewhere.
    /// </summary>
    internal string Signed(string store)
    {
        var (before, parameters) = store.Split('?', 2) is [var place, var given] ? (place, given.Split('&')) : (store, []);
        var isSigned = parameters.Any(parameter => parameter.StartsWith("secret-key", StringComparison.Ordinal));
        return isSigned || secretKeys.Count == 0 || !BinaryCaches.Contains(before.Split("://")[0]) || !CanRead(secretKeys[0])
            ? store
            : $"{before}?{string.Join('&', [.. parameters, $"secret-key={Uri.EscapeDataString(secretKeys[0])}"])}";
    }

    /// <summary>Whether Nix can read a key as this user: often only root may, and Nix would push nothing.</summary>
    private bool CanRead(string key)
    {
        try
        {
            File.OpenRead(key).Dispose();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (Interlocked.Exchange(ref hasWarned, 1) == 0)
            {
                warn($"What is pushed to binary caches is not signed: {key} (secret-key-files) cannot be read: {e.Message} "
                    + "Let this user read it, or name another key in the URI: ?secret-key=FILE.");
            }
            return false;
        }
    }
}
