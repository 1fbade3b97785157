namespace NixBuildFarm.Farm.Tests.Hosts;

/// <summary>One host of the farm: its own network, processes, store, sshd and Nix.</summary>
public class FarmHost(TestFarm farm, string name)
{
    private readonly TestFarm farm = farm;

    public string Name { get; } = name;

    /// <summary>Runs a command on it as root, not through ssh.</summary>
    /// <exception cref="InvalidOperationException">It failed; the message has its output.</exception>
    public Task<string> ExecAsync(params IEnumerable<string> command) => farm.ControlAsync(["exec", Name, .. command]);

    /// <summary>The version of its Nix.</summary>
    public async Task<Version> NixVersionAsync() => Version.Parse((await ExecAsync("nix", "--version")).Trim().Split(' ')[^1]);

    /// <summary>Its line of the machines list.</summary>
    public async Task<string> MachineLineAsync() => (await ControlAsync("machine")).TrimEnd();

    /// <summary>Makes a fault, which lasts until what is returned is disposed.</summary>
    public async Task<IAsyncDisposable> InflictAsync(Fault fault)
    {
        await ControlAsync(fault.Command);
        return new Inflicted(this, fault);
    }

    public override string ToString() => Name;

    protected Task<string> ControlAsync(string command) => farm.ControlAsync(command, Name);

    private sealed class Inflicted(FarmHost host, Fault fault) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await host.ControlAsync(fault.Undo);
    }
}

/// <summary>A host that a test has added: it goes with the test.</summary>
public sealed class AddedHost(TestFarm farm, string name) : FarmHost(farm, name), IAsyncDisposable
{
    private bool removed;

    /// <summary>Ends it at once, as if its plug was pulled.</summary>
    public async Task RemoveAsync()
    {
        removed = true;
        await ControlAsync("remove");
    }

    public async ValueTask DisposeAsync()
    {
        if (!removed) await RemoveAsync();
    }
}
