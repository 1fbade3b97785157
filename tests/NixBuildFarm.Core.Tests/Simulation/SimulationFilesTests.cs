using System.IO.Compression;
using NixBuildFarm.Core.Tests.Store;
using NixBuildFarm.Errors;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Core.Tests.Simulation;

public sealed class SimulationFilesTests : IDisposable
{
    private const string Graph = """{"systems":["x86_64-linux"],"roots":[1],"nodes":[{"n":"a-1","s":0},{"n":"b-2","p":"b","s":0,"i":[0],"f":["kvm"],"L":1,"P":1}]}""";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_graph_its_durations_and_a_farm_are_read_packed_or_plain()
    {
        var graph = SimulationFiles.ReadGraph(Packed("g.json.gz",
            """{"systems":["builtin","x86_64-linux"],"roots":[1],"nodes":[{"n":"a.tar.gz","s":0,"i":[],"L":1,"X":1},{"n":"b-1","p":"b","s":1,"i":[0],"f":["kvm"],"P":1}]}"""));
        var durations = SimulationFiles.ReadDurations(
            Write("g.dur.json", """{"sec":[1,2.5],"mb":[0.5,3],"src":"fm","est":[1,3]}"""), graph);
        var farm = SimulationFiles.ReadFarm(Write("farm.json", """{"machines":[{"name":"local","systems":["x86_64-linux"],"slots":8,"local":true},{"name":"r","systems":["x86_64-linux"],"features":["kvm"],"slots":2,"speed":0.5,"bw":50}]}"""));

        Assert.True(graph[0].IsBuiltin && graph[0].PreferLocal && graph[0].IsFixedOutput && !graph[0].IsRequested);
        Assert.True(graph[1].EnableParallelBuilding && graph[1].IsRequested);
        Assert.Equal([0], graph.DependenciesOf(1).ToArray());
        Assert.Equal(3_000_000, durations.OutputBytes[1]);
        Assert.Equal([1, 3], durations.TableSeconds);
        Assert.True(farm[0].IsLocal && double.IsInfinity(farm[0].DownloadBandwidth));
        Assert.Equal((0.5, 50e6, 8), (farm[1].SpeedOf("x86_64-linux"), farm[1].UploadBandwidth, farm[1].TotalCores));
    }

    [Theory]
    [InlineData("", "line 1, byte 1")]
    [InlineData("{", "line 1, byte 2")]
    [InlineData("null", "it is empty")]
    [InlineData("[]", "$, line 1, byte 2")]
    [InlineData("""{"nodes":[]}""", "systems")]
    [InlineData("""{"systems":null,"nodes":[]}""", "systems is null")]
    [InlineData("""{"systems":[null],"nodes":[]}""", "systems[0] is null")]
    [InlineData("""{"systems":[],"nodes":[null]}""", "nodes[0] is null")]
    [InlineData("""{"systems":["x"],"nodes":[{"n":"a","s":0},{"n":"b","s":1}]}""", "nodes[1].s is 1, and there are 1 systems")]
    [InlineData("""{"systems":["x"],"nodes":[{"n":"","s":0}]}""", "nodes[0] has no name")]
    [InlineData("""{"systems":["x"],"nodes":[{"n":"a","s":"x"}]}""", "$.nodes[0].s, line 1, byte ")]
    [InlineData("""{"systems":["x"],"nodes":[{"n":"a","s":0,"i":null}]}""", "nodes[0].i is null")]
    [InlineData("""{"systems":["x"],"nodes":[{"n":"a","s":0,"f":[null]}]}""", "nodes[0].f[0] is null")]
    [InlineData("""{"systems":["x"],"nodes":[{"n":"a","s":0,"i":[5]}]}""", "a depends on job 5")]
    [InlineData("""{"systems":["x"],"nodes":[{"n":"a","s":0,"i":[0]}]}""", "a depends on itself")]
    [InlineData("""{"systems":["x"],"roots":[1],"nodes":[{"n":"a","s":0}]}""", "a root")]
    public void A_malformed_graph_is_refused_with_its_file_and_place(string text, string place)
    {
        Refuses(Write("g.json", text), place, path => SimulationFiles.ReadGraph(path));
    }

    [Theory]
    [InlineData("""{"sec":[1],"mb":[1,2]}""", "sec has 1 figures, and the graph has 2 nodes")]
    [InlineData("""{"sec":[1,2],"mb":null}""", "mb has 0 figures")]
    [InlineData("""{"sec":[1,2],"mb":[1,2],"est":[1]}""", "est has 1 figures")]
    [InlineData("""{"sec":[1,2],"mb":[1,2],"est":null}""", "est has 0 figures")]
    [InlineData("""{"sec":[1,-2],"mb":[1,2]}""", "sec[1] is not between 0 and")]
    [InlineData("""{"sec":[1,2],"mb":[1,1e300]}""", "mb[1] is not between 0 and")]
    [InlineData("""{"sec":[1,"2"],"mb":[1,2]}""", "$.sec[1]")]
    public void Durations_that_do_not_fit_the_graph_are_refused_with_their_file_and_place(string text, string place)
    {
        var graph = SimulationFiles.ReadGraph(Write("g.json", Graph));

        Refuses(Write("g.dur.json", text), place, path => SimulationFiles.ReadDurations(path, graph));
    }

    [Theory]
    [InlineData("""{"machines":[]}""", "it has no machines")]
    [InlineData("""{"machines":[null]}""", "machines[0] is null")]
    [InlineData(
        """{"machines":[{"name":"a","systems":["x"],"slots":1},{"name":"a","systems":["x"],"slots":1}]}""",
        "machines[1] is a second one of the name a")]
    [InlineData("""{"machines":[{"name":"a","systems":null,"slots":1}]}""", "machines[0].systems is null")]
    [InlineData("""{"machines":[{"name":"a","systems":["x"],"slots":-1}]}""", "the slots of a (machines[0])")]
    [InlineData("""{"machines":[{"name":"a","systems":["x"],"slots":2000000000}]}""", "the slots of a (machines[0])")]
    [InlineData("""{"machines":[{"name":"a","systems":["x"],"slots":1,"speed":0}]}""", "the speed of a (machines[0])")]
    [InlineData("""{"machines":[{"name":"a","systems":["x"],"slots":1,"bw":0}]}""", "the bw of a (machines[0])")]
    [InlineData(
        """{"machines":[{"name":"a","systems":["x"],"slots":1,"local":true},{"name":"b","systems":["x"],"slots":1,"local":true}]}""",
        "several machines are local")]
    public void A_malformed_farm_is_refused_with_its_file_and_place(string text, string place)
    {
        Refuses(Write("farm.json", text), place, path => SimulationFiles.ReadFarm(path));
    }

    [Fact]
    public void A_file_that_is_no_gzip_or_is_cut_off_is_refused()
    {
        Refuses(Write("g.json.gz", Graph), "gzip", path => SimulationFiles.ReadGraph(path));

        var cut = folder["cut.json.gz"];
        File.WriteAllBytes(cut, File.ReadAllBytes(Packed("g.json.gz", Graph))[..^30]);
        Refuses(cut, "", path => SimulationFiles.ReadGraph(path));
    }

    [Fact]
    public void A_file_that_is_not_there_is_named()
    {
        var error = Assert.Throws<NixBuildFarmException>(() => SimulationFiles.ReadFarm("/nowhere/farm.json"));

        Assert.Equal("FileUnreadable", error.Id);
        Assert.Contains("/nowhere/farm.json", error.Message, StringComparison.Ordinal);
    }

    private static void Refuses(string path, string place, Action<string> read)
    {
        var error = Assert.Throws<NixBuildFarmException>(() => read(path));

        Assert.Equal("MalformedSimulationFile", error.Id);
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(place, error.Message, StringComparison.Ordinal);
    }

    private string Write(string name, string text)
    {
        var path = folder[name];
        File.WriteAllText(path, text);
        return path;
    }

    private string Packed(string name, string text)
    {
        var path = folder[name];
        using var writer = new StreamWriter(new GZipStream(File.Create(path), CompressionLevel.Fastest));
        writer.Write(text);
        return path;
    }
}
