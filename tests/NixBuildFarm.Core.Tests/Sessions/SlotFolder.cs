using System.Diagnostics;
using NixBuildFarm.Builders;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Sessions;

/// <summary>The slots of one machine: the very scripts, run by a shell of this machine in a folder of their own.</summary>
internal sealed class SlotFolder : IBuilderTransport, IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("nixbuildfarm-slots-").FullName;
    private readonly string[] shell;

    public SlotFolder(params string[] shell)
    {
        this.shell = shell.Length > 0 ? shell : ["/bin/sh"];
        Path = System.IO.Path.Combine(root, "slots");
    }

    /// <summary>The folder, which the script makes.</summary>
    public string Path { get; }

    /// <summary>How often a slot was asked for, by all scripts.</summary>
    public int Takes => File.Exists(TakesFile) ? File.ReadLines(TakesFile).Count() : 0;

    private string TakesFile => System.IO.Path.Combine(root, "takes");

    /// <summary>What runs for those who take slots.</summary>
    public List<Process> Scripts { get; } = [];

    public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation)
    {
        var script = ShellScript.Of(use)!.Replace(SlotScript.Folder, Path, StringComparison.Ordinal)
            .Replace("take) {", $"take) echo >>{TakesFile}; {{", StringComparison.Ordinal);
        var process = Process.Start(new ProcessStartInfo(shell[0], [.. shell[1..], "-c", script])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        })!;
        if (use == ChannelUse.Slots) Scripts.Add(process);
        return Task.FromResult<IBuilderChannel>(new Channel(process));
    }

    /// <summary>A builder with so many slots.</summary>
    public static NixBuilder Builder(int slots) => new()
    {
        Name = "ruby", HostName = "ruby", Uri = "ssh-ng://ruby", Scheme = StoreScheme.SshNg, Systems = ["x86_64-linux"], MaxJobs = slots,
        Source = "a test",
    };

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    public void Dispose() => Directory.Delete(root, recursive: true);

    private sealed class Channel(Process process) : IBuilderChannel
    {
        public Stream Stream { get; } = new DuplexStream(process.StandardOutput.BaseStream, process.StandardInput.BaseStream);

        public string ErrorOutput => "";

        // As where a connection ends: the script itself is not ended.
        public ValueTask DisposeAsync() => Stream.DisposeAsync();
    }
}
