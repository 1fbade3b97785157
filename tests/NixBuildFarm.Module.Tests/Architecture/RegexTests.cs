using System.Text.RegularExpressions;
using Mono.Cecil;
using NixBuildFarm.Module.Tests.Surface;

namespace NixBuildFarm.Module.Tests.Architecture;

/// <summary>The time limit of a regular expression is one of the wall clock: a short one fails what is sound on a busy machine.</summary>
public class RegexTests
{
    private const int Minute = 60_000;

    public static TheoryData<string> Files =>
    [
        .. Directory.EnumerateFiles(ModuleFolder.FileOf(), "NixBuildFarm*.dll", SearchOption.AllDirectories)
            .Select(file => Path.GetFileName(file)!)
            .Order(),
    ];

    [Theory]
    [MemberData(nameof(Files))]
    public void A_time_limit_lasts_a_minute_at_least(string file)
    {
        var path = Directory.EnumerateFiles(ModuleFolder.FileOf(), file, SearchOption.AllDirectories).First();
        using var module = ModuleDefinition.ReadModule(path);

        var attributes = from method in module.GetTypes().SelectMany(type => type.Methods)
                         from attribute in method.CustomAttributes
                         where attribute.AttributeType.FullName == typeof(GeneratedRegexAttribute).FullName
                         select (
                             method.FullName,
                             Limit: attribute.ConstructorArguments.Skip(2)
                                 .Select(argument => argument.Value)
                                 .OfType<int>()
                                 .FirstOrDefault(-1));

        Assert.DoesNotContain(attributes, attribute => attribute.Limit is >= 0 and < Minute);
    }
}
