using System.Management.Automation;
using System.Reflection;
using System.Runtime.Loader;

namespace NixBuildFarm.Hosting;

/// <summary>
/// Loads the assemblies in <c>deps/</c> into a load context of their own, so that a session with another version of one of these packages
/// keeps working, and so does the module.
/// </summary>
public sealed class ModuleInitializer : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
    private static readonly string DependencyFolder =
        Path.Combine(Path.GetDirectoryName(typeof(ModuleInitializer).Assembly.Location)!, "deps");

    private static readonly DependencyContext Dependencies = new();

    /// <inheritdoc/>
    public void OnImport()
    {
        // Every session of the process imports, and Import-Module -Force once more; one handler is enough. It stays when
        // one of them removes the module, for the others still need it.
        AssemblyLoadContext.Default.Resolving -= ResolveOwn;
        AssemblyLoadContext.Default.Resolving += ResolveOwn;
    }

    /// <inheritdoc/>
    public void OnRemove(PSModuleInfo psModuleInfo) => SessionTransports.CloseIdle();

    // Only our own assemblies are found for the session: packages stay private to them.
    private static Assembly? ResolveOwn(AssemblyLoadContext context, AssemblyName name) =>
        name.Name is { } own && own.StartsWith("NixBuildFarm.", StringComparison.Ordinal) && File.Exists(FileOf(own))
            ? Dependencies.LoadFromAssemblyName(name)
            : null;

    private static string FileOf(string assembly) => Path.Combine(DependencyFolder, assembly + ".dll");

    private sealed class DependencyContext() : AssemblyLoadContext("NixBuildFarm")
    {
        private readonly AssemblyDependencyResolver[] resolvers = Directory.Exists(DependencyFolder)
            ? Directory.GetFiles(DependencyFolder, "NixBuildFarm.*.dll").Select(file => new AssemblyDependencyResolver(file)).ToArray()
            : [];

        protected override Assembly? Load(AssemblyName assemblyName) =>
            resolvers.Select(r => r.ResolveAssemblyToPath(assemblyName)).FirstOrDefault(File.Exists) is { } file
                ? LoadFromAssemblyPath(file)
                : null;

        protected override IntPtr LoadUnmanagedDll(string unmanagedDllName) =>
            resolvers.Select(r => r.ResolveUnmanagedDllToPath(unmanagedDllName)).FirstOrDefault(File.Exists) is { } file
                ? LoadUnmanagedDllFromPath(file)
                : IntPtr.Zero;
    }
}
