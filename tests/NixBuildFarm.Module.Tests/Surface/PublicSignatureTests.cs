using System.Reflection;
using System.Runtime.InteropServices;

namespace NixBuildFarm.Module.Tests.Surface;

/// <summary>Packages are private: what others can see of us names only .NET, PowerShell and ourselves.</summary>
public sealed class PublicSignatureTests(ModuleSession session) : IClassFixture<ModuleSession>
{
    private const BindingFlags Members =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
    private static readonly string[] Visible = ["NixBuildFarm", "NixBuildFarm.Core", "System.Management.Automation"];

    [Theory]
    [InlineData("NixBuildFarm")]
    [InlineData("NixBuildFarm.Core")]
    public void No_public_signature_names_a_type_of_a_package(string assembly)
    {
        var signatures = Load(assembly)
            .GetExportedTypes()
            .SelectMany(type => Signatures(type).Select(used => (Member: type, Type: used)))
            .ToArray();

        Assert.True(signatures.Length > 100, $"{signatures.Length} types were looked at");
        Assert.Empty(
            signatures.Where(s => !IsVisible(s.Type))
                .Select(s => $"{s.Member} names {s.Type} of {s.Type.Assembly.GetName().Name}")
                .Distinct());
    }

    [Fact]
    public void The_core_needs_nothing_but_dotNET() =>
        Assert.DoesNotContain(Load("NixBuildFarm.Core").GetReferencedAssemblies(), name => !IsOfFramework(name.Name!));

    [Fact]
    public void The_cmdlets_know_packages_only_through_what_we_have_put_before_them() =>
        Assert.DoesNotContain(
            session.Assembly.GetReferencedAssemblies().Select(name => name.Name!),
            name =>
                !IsOfFramework(name) && name != "System.Management.Automation"
                    && !name.StartsWith("NixBuildFarm.", StringComparison.Ordinal));

    [Fact]
    public void Core_and_cmdlets_are_where_a_user_s_casts_find_them() =>
        Assert.All(
            ["NixBuildFarm", "NixBuildFarm.Core"],
            name =>
                Assert.Same(
                    System.Runtime.Loader.AssemblyLoadContext.Default,
                    System.Runtime.Loader.AssemblyLoadContext.GetLoadContext(Load(name))));

    private Assembly Load(string name) => name == "NixBuildFarm"
        ? session.Assembly
        : Assert.Single(AppDomain.CurrentDomain.GetAssemblies(), assembly => assembly.GetName().Name == name);

    private static IEnumerable<Type> Signatures(Type type)
    {
        var members = type.GetMembers(Members);
        return new[] { type.BaseType }.OfType<Type>()
            .Concat(type.GetInterfaces())
            .Concat(Constraints(type.GetGenericArguments()))
            .Concat(members.OfType<FieldInfo>().Where(f => f.IsPublic || f.IsFamily || f.IsFamilyOrAssembly).Select(f => f.FieldType))
            .Concat(members.OfType<MethodBase>().Where(m => m.IsPublic || m.IsFamily || m.IsFamilyOrAssembly).SelectMany(SignatureOf))
            .SelectMany(Parts);
    }

    private static IEnumerable<Type> SignatureOf(MethodBase method) =>
        method.GetParameters().Select(p => p.ParameterType)
            .Concat(method is MethodInfo { ReturnType: var type } ? [type] : [])
            .Concat(method.IsGenericMethodDefinition ? Constraints(method.GetGenericArguments()) : []);

    private static IEnumerable<Type> Constraints(Type[] arguments) =>
        arguments.Where(a => a.IsGenericParameter).SelectMany(a => a.GetGenericParameterConstraints());

    private static IEnumerable<Type> Parts(Type type) =>
        type.HasElementType ? Parts(type.GetElementType()!)
        : type.IsGenericParameter ? []
        : type.IsGenericType ? type.GetGenericArguments().SelectMany(Parts).Append(type.GetGenericTypeDefinition())
        : [type];

    private static bool IsVisible(Type type) =>
        Visible.Contains(type.Assembly.GetName().Name) || IsOfFramework(type.Assembly.GetName().Name!);

    private static bool IsOfFramework(string assembly) =>
        File.Exists(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), assembly + ".dll"));
}
