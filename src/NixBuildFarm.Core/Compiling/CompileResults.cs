using System.Collections.Concurrent;
using NixBuildFarm.Errors;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;

namespace NixBuildFarm.Compiling;

/// <summary>
/// Which builders have results of compiles, of this run and of earlier ones: what one of them has need not be compiled by any other. Safe
/// for concurrent use.
/// </summary>
internal sealed class CompileResults
{
    /// <summary>After so many questions in vain, what earlier runs have left is of other builds.</summary>
    private const int MostInVain = 30;

    private readonly ConcurrentDictionary<StorePath, CompileHelper> holders = new();
    private readonly ConcurrentDictionary<string, byte> earlier = new();
    private int inVain;

    /// <summary>Whether it may well be that an earlier run has left the result of a compile.</summary>
    /// <param name="source">The file, as the shim calls it.</param>
    public bool IsPromising(string source) => earlier.ContainsKey(CompileDerivation.NameOf(source)) && inVain < MostInVain;

    /// <summary>Notes who has a result of this run.</summary>
    public void Add(StorePath output, CompileHelper holder) => holders.TryAdd(output, holder);

    /// <summary>Notes who has a result of an earlier run.</summary>
    public void AddEarlier(StorePath output, CompileHelper holder)
    {
        Add(output, holder);
        earlier.TryAdd(output.Name, 0);
    }

    /// <summary>Fetches a result from who has it.</summary>
    /// <param name="output">The output of the compile derivation.</param>
    /// <param name="except">Who is to be asked anyway; null: nobody.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>Null: nobody has it any more.</returns>
    public async Task<HelpersResult?> FindAsync(StorePath output, CompileHelper? except, CancellationToken cancellation)
    {
        if (!holders.TryGetValue(output, out var holder))
        {
            Interlocked.Increment(ref inVain);
            return null;
        }
        Interlocked.Exchange(ref inVain, 0);
        if (holder == except) return null;
        try
        {
            if (await holder.FindAsync(output, cancellation) is { } result) return result;
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            // Others compile it.
        }
        holders.TryRemove(KeyValuePair.Create(output, holder));
        return null;
    }
}
