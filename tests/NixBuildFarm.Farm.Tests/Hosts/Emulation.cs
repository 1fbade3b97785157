namespace NixBuildFarm.Farm.Tests.Hosts;

/// <summary>
/// qemu-user, registered in binfmt_misc for as long as a test holds it: programs of other processors run. The register is the kernel's,
/// and so that of every host; a builder builds for such a system only where its nix.conf says so.
/// </summary>
public sealed class Emulation : IAsyncDisposable
{
    private const string Folder = "/proc/sys/fs/binfmt_misc";

    // The beginnings of executable files of these processors, and which of their bits count, as Debian's qemu-user-static has them.
    private static readonly (string Processor, string Magic)[] Processors = [("aarch64", @"\xb7\x00"), ("riscv64", @"\xf3\x00")];

    private readonly TestFarm farm;
    private readonly List<string> registered = [];

    private Emulation(TestFarm farm) => this.farm = farm;

    /// <summary>Whether Debian's qemu-user-static is installed.</summary>
    public static bool IsInstalled => Processors.All(p => File.Exists($"/usr/bin/qemu-{p.Processor}-static"));

    public static async Task<Emulation> BeginAsync(TestFarm farm)
    {
        var emulation = new Emulation(farm);
        await farm.Coordinator.ExecAsync("bash", "-c", "test -e \"$1/register\" || mount -t binfmt_misc binfmt_misc \"$1\"", "-", Folder);
        foreach (var (processor, magic) in Processors)
        {
            var name = $"farm-{Environment.ProcessId}-{Random.Shared.Next():x}-{processor}";
            // Flag F opens the interpreter now, so that it is found in every root and sandbox.
            var line = $@":{name}:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00{magic}:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-{processor}-static:OCF";
            await farm.Coordinator.ExecAsync("bash", "-c", "printf %s \"$1\" > \"$2/register\"", "-", line, Folder);
            emulation.registered.Add(name);
        }
        return emulation;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var name in registered) await farm.Coordinator.ExecAsync("bash", "-c", "echo -1 > \"$1/$2\"", "-", Folder, name);
    }
}
