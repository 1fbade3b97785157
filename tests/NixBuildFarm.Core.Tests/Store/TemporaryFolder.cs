namespace NixBuildFarm.Core.Tests.Store;

/// <summary>A folder of one test's own, gone after it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly string path = Directory.CreateTempSubdirectory("nixbuildfarm-").FullName;

    public string this[string name] => Path.Combine(path, name);

    public static implicit operator string(TemporaryFolder folder) => folder.path;

    public void Dispose() => Directory.Delete(path, recursive: true);
}
