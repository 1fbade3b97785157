using NixBuildFarm.Builders;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.Program;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Tests.Program;

/// <summary>What tests do with the ssh program.</summary>
internal static class SshPrograms
{
    public static async Task<SshProgramTransport> TransportAsync(SshServer server, NixBuilder builder, TransportOptions? options = null)
    {
        var config = await SshConfigReader.ReadAsync(builder, server.Environment, TestContext.Current.CancellationToken);
        return new SshProgramTransport(builder, config, server.Environment, options ?? new TransportOptions());
    }

    /// <summary>The ids of the ssh processes that this one has.</summary>
    public static IReadOnlyList<string> Children() =>
    [
        .. Directory.EnumerateDirectories("/proc/self/task")
            .SelectMany(thread => File.ReadAllText(Path.Combine(thread, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(child => File.ReadAllText($"/proc/{child}/comm").Trim() == "ssh"),
    ];
}
