using System.IO.Compression;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Core.Tests.Simulation;

public sealed class SimulationFilesTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("nbf-simulation-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_graph_its_durations_and_a_farm_are_read_packed_or_plain()
    {
        var graph = SimulationFiles.ReadGraph(Packed("g.json.gz",
            """{"systems":["builtin","x86_64-linux"],"roots":[1],"nodes":[{"n":"a.tar.gz","s":0,"i":[],"L":1,"X":1},{"n":"b-1","p":"b","s":1,"i":[0],"f":["kvm"],"P":1}]}"""));
        var durations = SimulationFiles.ReadDurations(Plain("g.dur.json", """{"sec":[1,2.5],"mb":[0.5,3],"src":"fm","est":[1,3]}"""), graph);
        var farm = SimulationFiles.ReadFarm(Plain("farm.json", """{"machines":[{"name":"local","systems":["x86_64-linux"],"slots":8,"local":true},{"name":"r","systems":["x86_64-linux"],"features":["kvm"],"slots":2,"speed":0.5,"bw":50}]}"""));

        Assert.True(graph[0].IsBuiltin && graph[0].PreferLocal && graph[0].IsFixedOutput && !graph[0].IsRequested);
        Assert.True(graph[1].EnableParallelBuilding && graph[1].IsRequested);
        Assert.Equal([0], graph.DependenciesOf(1).ToArray());
        Assert.Equal(3_000_000, durations.OutputBytes[1]);
        Assert.Equal([1, 3], durations.TableSeconds);
        Assert.True(farm[0].IsLocal && double.IsInfinity(farm[0].DownloadBandwidth));
        Assert.Equal((0.5, 50e6, 8), (farm[1].SpeedOf("x86_64-linux"), farm[1].UploadBandwidth, farm[1].TotalCores));
    }

    [Theory]
    [InlineData("""{"systems":[],"nodes":[{"n":"a","s":3}]}""", "node 0 has no system")]
    [InlineData("""{"systems":["x"],"nodes":[{"n":"a","s":0,"i":[7]}]}""", "depends on job 7")]
    [InlineData("""{"systems":["x"],"nodes":[{"n":"a","s":0,"i":[1]},{"n":"b","s":0,"i":[0]}]}""", "depends on itself")]
    [InlineData("""{"systems":""", "is not what was expected")]
    public void What_is_no_graph_is_refused_with_the_reason(string text, string reason) =>
        Assert.Contains(reason, Assert.Throws<NixBuildFarmException>(() => SimulationFiles.ReadGraph(Plain("bad.json", text))).Message);

    [Fact]
    public void Durations_of_another_graph_are_refused()
    {
        var graph = SimulationFiles.ReadGraph(Plain("g.json", """{"systems":["x"],"nodes":[{"n":"a","s":0}]}"""));

        Assert.Throws<NixBuildFarmException>(() => SimulationFiles.ReadDurations(Plain("d.json", """{"sec":[1,2],"mb":[1,2]}"""), graph));
    }

    private string Plain(string name, string text)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private string Packed(string name, string text)
    {
        var path = Path.Combine(folder, name);
        using var writer = new StreamWriter(new GZipStream(File.Create(path), CompressionLevel.Fastest));
        writer.Write(text);
        return path;
    }
}
