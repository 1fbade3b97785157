using System.Management.Automation;
using System.Reflection;
using NixBuildFarm.EngineHost;
using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests.Surface;

/// <summary>
/// A session with the module, to look at what the module shows of itself. Tests that only look share one.
/// </summary>
public sealed class ModuleSession : IDisposable
{
    private readonly RecordingSession session = RecordingSession.WithModule();

    // Of no other type: else all programs on the PATH are looked through.
    public CmdletInfo Cmdlet(string name) =>
        Assert.Single(Run("Get-Command $args[0] -Module NixBuildFarm -CommandType Cmdlet", name).OutputAs<CmdletInfo>());

    /// <summary>The assembly of the cmdlets.</summary>
    public Assembly Assembly => Cmdlet(ModuleFolder.Cmdlets[0]).ImplementingType.Assembly;

    /// <summary>The types of the module that cmdlets write.</summary>
    public IReadOnlyList<Type> OutputTypes =>
        [.. ModuleFolder.Cmdlets.SelectMany(name => Cmdlet(name).OutputType).Select(output => output.Type).Where(IsOwn).Distinct()];

    /// <summary>Runs a script that has to go without errors.</summary>
    public ScriptResult Run(string script, params IEnumerable<object?> arguments)
    {
        var result = session.Run(script, arguments);
        Assert.Null(result.TerminatingError);
        Assert.Empty(result.Errors);
        return result;
    }

    /// <summary>What a person sees of a script.</summary>
    public string Show(string script, int width = 120)
    {
        session.Screen.Width = width;
        return session.Show(script);
    }

    public void Dispose() => session.Dispose();

    private static bool IsOwn(Type type) => type.Assembly.GetName().Name!.StartsWith("NixBuildFarm", StringComparison.Ordinal);
}
