using System.Globalization;

namespace NixBuildFarm.Builders;

/// <summary>Makes a builder of one entry of a machines list, or tells everything that is wrong with it at once.</summary>
internal sealed class MachineEntryReader(MachineListEntry entry, NixBuilder local, BuilderNames names, Action<BuilderProblem> report)
{
    private static readonly string[] FieldNames =
        ["store URI", "systems", "SSH key", "maxJobs", "speedFactor", "supportedFeatures", "mandatoryFeatures", "host key"];

    private readonly IReadOnlyList<(string Text, int Column)> columns = entry.Columns;
    private bool failed;

    public NixBuilder? Read()
    {
        var uri = Column(0, null, BuilderUri.Parse);
        var isLocal = uri?.Scheme == StoreScheme.Local;

        var systems = Column(1, isLocal ? local.Systems : [local.Systems[0]], ReadSystems);
        var identityFile = Column(2, uri?.IdentityFile, text => text);
        var maxJobs = Column(3, isLocal ? local.MaxJobs : 1, ReadMaxJobs);
        var speedFactor = Column(4, isLocal ? local.SpeedFactor : 1, ReadSpeedFactor);
        var supportedFeatures = Column(5, isLocal ? local.SupportedFeatures : [], ReadList);
        var mandatoryFeatures = Column(6, isLocal ? local.MandatoryFeatures : [], ReadList);
        var hostKey = Column(7, uri?.HostKey, HostKeyLine.Decode);

        if (uri is null && !failed) Fail(0, "MissingStoreUri", "the first column, the builder's address, is missing", "Write ssh-ng://user@host:port.");
        WarnOfOddities(uri, systems);
        if (uri is null || failed) return null;

        var name = isLocal ? names.TakeLocal() : names.Choose(uri.Host, uri.User, uri.Port);
        if (name is null)
        {
            Fail(0, "DuplicateLocalMachine", "a second entry for this machine", "Keep one of them.");
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
            Source = $"{entry.Source}:{entry.Line}",
        };
    }

    /// <summary>Reads a column; a missing one, <c>-</c> and a malformed one give the default.</summary>
    private T Column<T>(int index, T missing, Func<string, T> read)
    {
        if (index >= columns.Count || columns[index].Text == "-") return missing;
        var text = columns[index].Text;
        try
        {
            if (text.Any(Printable.IsUnprintable)) throw new NixBuildFarmException("ControlCharacter", $"{Printable.Quote(text)} has a control character");
            return read(text);
        }
        catch (NixBuildFarmException e)
        {
            Fail(index, e.Id, e.Message, e.Recommendation);
            return missing;
        }
    }

    private void WarnOfOddities(BuilderUri? uri, IReadOnlyList<string> systems)
    {
        foreach (var parameter in uri?.IgnoredParameters ?? [])
        {
            Report(ProblemSeverity.Warning, 0, "UnknownParameter", $"the parameter {Printable.Quote(parameter)} has no effect", null);
        }
        foreach (var system in systems.Where(s => !s.Contains('-')))
        {
            Report(
                ProblemSeverity.Warning, 1, "IncompleteSystem", $"{Printable.Quote(system)} is no whole system, so that no derivation fits",
                "A system has two parts, e.g. x86_64-linux.");
        }
        if (columns.Count > FieldNames.Length)
        {
            report(entry.Problem(
                ProblemSeverity.Warning, "TooManyColumns", $"only {FieldNames.Length} columns are read; what follows is ignored",
                "Write several systems or features with commas, without blanks.", column: columns[FieldNames.Length].Column));
        }
    }

    private void Fail(int index, string id, string message, string? recommendation)
    {
        failed = true;
        Report(ProblemSeverity.Error, index, id, message, recommendation);
    }

    private void Report(ProblemSeverity severity, int index, string id, string message, string? recommendation) =>
        report(entry.Problem(severity, id, message, recommendation, FieldNames[index], columns[index].Column));

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
