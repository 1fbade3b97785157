using System.Globalization;

namespace NixBuildFarm.Builders;

/// <summary>Makes a builder of an entry, or tells everything that is wrong with it at once.</summary>
internal sealed class MachineEntryReader(MachineEntry entry, NixBuilder local, BuilderNames names, Action<BuilderProblem> report)
{
    private bool failed;

    public NixBuilder? Read()
    {
        var uri = Field(MachineField.Uri, null, BuilderUri.Parse);
        var isLocal = uri?.Scheme == StoreScheme.Local;

        var systems = Field(MachineField.Systems, isLocal ? local.Systems : [local.Systems[0]], ReadSystems);
        var identityFile = Field(MachineField.IdentityFile, uri?.IdentityFile, text => text);
        var maxJobs = Field(MachineField.MaxJobs, isLocal ? local.MaxJobs : 1, ReadMaxJobs);
        var speedFactor = Field(MachineField.SpeedFactor, isLocal ? local.SpeedFactor : 1, ReadSpeedFactor);
        var supportedFeatures = Field(MachineField.SupportedFeatures, isLocal ? local.SupportedFeatures : [], ReadList);
        var mandatoryFeatures = Field(MachineField.MandatoryFeatures, isLocal ? local.MandatoryFeatures : [], ReadList);
        var hostKey = Field(MachineField.HostKey, uri?.HostKey, entry.IsHostKeyEncoded ? HostKeyLine.Decode : HostKeyLine.Read);

        if (uri is null && !failed)
        {
            Fail(MachineField.Uri, "MissingStoreUri", "the builder's address is missing", "Write ssh-ng://user@host:port.");
        }
        WarnOfOddities(uri, systems);
        if (uri is null || failed) return null;

        var name = isLocal ? names.TakeLocal() : names.Choose(entry.Name, uri.Host, uri.User, uri.Port);
        if (name is null)
        {
            Fail(MachineField.Uri, "DuplicateLocalMachine", "a second entry for this machine", "Keep one of them.");
            return null;
        }
        return new NixBuilder
        {
            Name = name,
            HostName = uri.Host,
            Uri = uri.Text,
            Scheme = uri.Scheme,
            Systems = systems,
            MaxJobs = maxJobs,
            Cores = isLocal ? local.Cores : null,
            SpeedFactor = speedFactor,
            SupportedFeatures = [.. supportedFeatures.Union(uri.SystemFeatures)],
            MandatoryFeatures = mandatoryFeatures,
            User = uri.User,
            Port = uri.Port,
            IdentityFile = identityFile,
            HostKey = hostKey,
            RemoteProgram = uri.RemoteProgram,
            RemoteStore = uri.RemoteStore,
            MaxConnections = uri.MaxConnections,
            Compress = uri.Compress,
            Enabled = entry.Enabled,
            UsesSubstitutes = entry.UsesSubstitutes,
            Ssh = entry.Ssh,
            Source = $"{entry.Source}:{entry.Line}",
        };
    }

    /// <summary>Reads a field; a missing and a malformed one give the default.</summary>
    private T Field<T>(MachineField field, T missing, Func<string, T> read)
    {
        if (!entry.Fields.TryGetValue(field, out var found)) return missing;
        var text = found.Text;
        try
        {
            if (text.Any(Printable.IsUnprintable)) throw new NixBuildFarmException("ControlCharacter", $"{Printable.Quote(text)} has a control character");
            return read(text);
        }
        catch (NixBuildFarmException e)
        {
            Fail(field, e.Id, e.Message, e.Recommendation);
            return missing;
        }
    }

    private void WarnOfOddities(BuilderUri? uri, IReadOnlyList<string> systems)
    {
        foreach (var parameter in uri?.IgnoredParameters ?? [])
        {
            Report(ProblemSeverity.Warning, MachineField.Uri, "UnknownParameter", $"the parameter {Printable.Quote(parameter)} has no effect", null);
        }
        foreach (var system in systems.Where(s => !s.Contains('-')))
        {
            Report(
                ProblemSeverity.Warning, MachineField.Systems, "IncompleteSystem", $"{Printable.Quote(system)} is no whole system, so that no derivation fits",
                "A system has two parts, e.g. x86_64-linux.");
        }
    }

    private void Fail(MachineField field, string id, string message, string? recommendation)
    {
        failed = true;
        Report(ProblemSeverity.Error, field, id, message, recommendation);
    }

    private void Report(ProblemSeverity severity, MachineField field, string id, string message, string? recommendation) =>
        report(entry.Problem(severity, field, id, message, recommendation));

    private static IReadOnlyList<string> ReadSystems(string text)
    {
        var systems = ReadList(text);
        if (systems.Count == 0) throw InvalidSystem("no system is named");
        foreach (var system in systems)
        {
            if (!system.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')) throw InvalidSystem($"{Printable.Quote(system)} is no system");
        }
        return systems;
    }

    private static IReadOnlyList<string> ReadList(string text) =>
        text.Split(',', StringSplitOptions.RemoveEmptyEntries).Distinct().ToArray();

    private static int ReadMaxJobs(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var jobs)
            ? jobs
            : throw new NixBuildFarmException(
                "InvalidMaxJobs", $"{Printable.Quote(text)} is no number of jobs", "Write a whole number; 0 means that it builds nothing.");

    private static double ReadSpeedFactor(string text)
    {
        const NumberStyles Float = NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent | NumberStyles.AllowLeadingSign;
        if (!double.TryParse(text, Float, CultureInfo.InvariantCulture, out var factor) || !double.IsFinite(factor) || factor < 0)
        {
            throw new NixBuildFarmException(
                "InvalidSpeedFactor", $"{Printable.Quote(text)} is no speed factor", "Write a number above 0, e.g. 1 or 2.5; 0 means 1.");
        }
        return factor == 0 ? 1 : factor;
    }

    private static NixBuildFarmException InvalidSystem(string reason) =>
        new("InvalidSystem", reason, "Write systems with commas between them, e.g. x86_64-linux,aarch64-linux.");
}
