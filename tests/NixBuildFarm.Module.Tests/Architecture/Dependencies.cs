using Mono.Cecil;
using Mono.Cecil.Cil;
using NixBuildFarm.Module.Tests.Surface;

namespace NixBuildFarm.Module.Tests.Architecture;

/// <summary>Which types of one assembly use which others of it, as the compiler has written it down.</summary>
/// <param name="assembly">The assembly's name, which is the name of its project.</param>
/// <param name="rootNamespace">The namespace of the project's own folder.</param>
internal sealed class Dependencies(string assembly, string rootNamespace)
{
    /// <summary>Each use of a type of one folder by a type of another.</summary>
    public IEnumerable<Use> BetweenFolders()
    {
        using var module = ModuleDefinition.ReadModule(FileOf(assembly));
        var uses = new HashSet<Use>();
        foreach (var type in module.GetTypes().Where(IsOurs))
        {
            foreach (
                var used in TypesOf(type).Select(Definition).OfType<TypeDefinition>().Where(used => used.Module == module && IsOurs(used)))
            {
                var use = new Use(FolderOf(type), Outermost(type).Name, FolderOf(used), Outermost(used).Name);
                if (use.From != use.To) uses.Add(use);
            }
        }
        return [.. uses];
    }

    /// <summary>The folders that have types.</summary>
    public IReadOnlyList<string> Folders()
    {
        using var module = ModuleDefinition.ReadModule(FileOf(assembly));
        return [.. module.GetTypes().Where(IsOurs).Select(FolderOf).Distinct().Order()];
    }

    public static string FileOf(string assembly) =>
        File.Exists(ModuleFolder.FileOf($"{assembly}.dll"))
            ? ModuleFolder.FileOf($"{assembly}.dll")
            : ModuleFolder.FileOf("deps", $"{assembly}.dll");

    private static TypeDefinition Outermost(TypeDefinition type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    private static TypeDefinition? Definition(TypeReference type) => type.GetElementType() switch
    {
        GenericParameter => null,
        TypeDefinition definition => definition,
        var other when other.Scope == other.Module => other.Resolve(),
        _ => null,
    };

    private bool IsOurs(TypeDefinition type) => Outermost(type).Namespace.StartsWith(rootNamespace, StringComparison.Ordinal);

    /// <summary>The first folder below the project; what lies in the project's own folder has none.</summary>
    private string FolderOf(TypeDefinition type)
    {
        var below = Outermost(type).Namespace[rootNamespace.Length..];
        return below.Length == 0 ? "" : below[1..].Split('.')[0];
    }

    private static IEnumerable<TypeReference> TypesOf(TypeDefinition type) =>
    [
        .. Parts(type.BaseType),
        .. type.Interfaces.SelectMany(implemented => Parts(implemented.InterfaceType)),
        .. type.CustomAttributes.SelectMany(AttributeTypes),
        .. type.Fields.SelectMany(field => Parts(field.FieldType)),
        .. type.Properties.SelectMany(
            property => Parts(property.PropertyType).Concat(property.CustomAttributes.SelectMany(AttributeTypes))),
        .. type.Methods.SelectMany(TypesOf),
    ];

    private static IEnumerable<TypeReference> TypesOf(MethodDefinition method) =>
    [
        .. Parts(method.ReturnType),
        .. method.Parameters.SelectMany(parameter => Parts(parameter.ParameterType)),
        .. method.HasBody
            ? method.Body.Variables.SelectMany(variable => Parts(variable.VariableType))
                .Concat(method.Body.Instructions.SelectMany(TypesOf))
            : [],
    ];

    private static IEnumerable<TypeReference> TypesOf(Instruction instruction) => instruction.Operand switch
    {
        MethodReference method =>
            [
                .. Parts(method.DeclaringType), .. Parts(method.ReturnType),
                .. (method as GenericInstanceMethod)?.GenericArguments.SelectMany(Parts) ?? [],
            ],
        FieldReference field => [.. Parts(field.DeclaringType), .. Parts(field.FieldType)],
        TypeReference type => Parts(type),
        _ => [],
    };

    private static IEnumerable<TypeReference> AttributeTypes(CustomAttribute attribute) =>
        attribute.ConstructorArguments.Select(argument => argument.Value).OfType<TypeReference>().SelectMany(Parts);

    /// <summary>A type, and those that it is made of.</summary>
    private static IEnumerable<TypeReference> Parts(TypeReference? type) => type switch
    {
        null => [],
        GenericInstanceType generic => [generic.ElementType, .. generic.GenericArguments.SelectMany(Parts)],
        TypeSpecification specification => Parts(specification.ElementType),
        _ => [type],
    };
}

/// <summary>A type of one folder uses a type of another.</summary>
internal sealed record Use(string From, string Type, string To, string Used)
{
    public override string ToString() => $"{From}/{Type} uses {To}/{Used}";
}
