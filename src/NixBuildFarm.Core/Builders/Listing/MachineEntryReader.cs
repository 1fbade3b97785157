using System.Globalization;
using NixBuildFarm.Errors;
using NixBuildFarm.Text;

namespace NixBuildFarm.Builders.Listing;

/// <summary>Makes a builder of an entry, or tells everything that is wrong with it at once.</summary>
internal sealed class MachineEntryReader(MachineEntry entry, NixBuilder local, BuilderNames names, Action<BuilderProblem> report)
{
    private const string Order = "The columns are: URI, systems, SSH key, maxJobs, speedFactor, features, mandatory features, host key.";

    // A misplaced text in the other columns is an error anyway.
    private static readonly MachineField[] MaybeMisplaced =
        [MachineField.Uri, MachineField.IdentityFile, MachineField.SupportedFeatures, MachineField.MandatoryFeatures];

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
            if (text.Any(Printable.IsUnprintable))
            {
                throw new NixBuildFarmException("ControlCharacter", $"{Printable.Quote(text)} has a control character");
            }
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
            var close = CloseNames.To(parameter, BuilderUri.Parameters);
            Report(
                ProblemSeverity.Warning, MachineField.Uri, "UnknownParameter", $"the parameter {Printable.Quote(parameter)} has no effect",
                close.Count > 0 ? $"Did you mean {close[0]}?" : null);
        }
        if (uri?.DoubtfulParameter is { } doubtful)
        {
            Report(
                ProblemSeverity.Warning, MachineField.Uri, "DoubtfulParameter", $"the value of {Printable.Quote(doubtful)} has a “?”",
                "Parameters begin after one “?”, and have “&” between them.");
        }
        foreach (var system in systems)
        {
            if (system.Contains('-', StringComparison.Ordinal) && (local.Systems.Contains(system) || ColumnShape.MeantBy(system) is null))
            {
                continue;
            }
            var meant = ColumnShape.MeantBy(system);
            var other = ColumnShape.Other(MachineField.Systems, system);
            Report(
                ProblemSeverity.Warning, MachineField.Systems,
                system.Contains('-', StringComparison.Ordinal) ? "UnknownSystem" : "IncompleteSystem",
                $"{Printable.Quote(system)} is no system that Nix has{(other is null ? "" : $" (it looks like {other})")}, so that no "
                    + "derivation fits",
                meant is null ? "A system has two parts, e.g. x86_64-linux." : $"Did you mean {meant}?");
        }
        // An entry that has failed is not used, and one message suffices.
        if (!failed) foreach (var field in MaybeMisplaced) WarnOfPlace(field, uri);
    }

    /// <summary>Warns of a text that Nix would misinterpret.</summary>
    private void WarnOfPlace(MachineField field, BuilderUri? uri)
    {
        if (!entry.Fields.TryGetValue(field, out var found)) return;
        var text = found.Text;
        if (IsAfterComma(field))
        {
            Report(
                ProblemSeverity.Warning, field, "BlankAfterComma",
                $"{Printable.Quote(text)} stands here, since a blank follows the comma before it",
                "Write lists with commas and without blanks, e.g. x86_64-linux,aarch64-linux.");
        }
        // An address with a scheme or a user is meant to be one, whatever the host is called.
        else if (ColumnShape.Other(field, text) is { } other
            && (field != MachineField.Uri || uri is { User: null, Scheme: not StoreScheme.Local }))
        {
            Report(
                ProblemSeverity.Warning, field, "MisplacedValue", $"{Printable.Quote(text)} looks like {other}",
                field == MachineField.Uri
                    ? "An entry begins with the builder's address, and a “;” begins another entry: write lists with commas."
                    : $"{Order} A column that is empty needs a “-”.");
        }
        else if (field is MachineField.SupportedFeatures or MachineField.MandatoryFeatures && ColumnShape.Marks(text) is { } marks)
        {
            Report(
                ProblemSeverity.Warning, field, "MisplacedMark", $"{Printable.Quote(text)} has {marks}, which become part of a name",
                $"Write {Printable.Escaped(ColumnShape.WithoutMarks(text))}.");
        }
        else if (field == MachineField.IdentityFile && !text.Contains('/', StringComparison.Ordinal))
        {
            Report(
                ProblemSeverity.Warning, field, "IdentityFileWithoutFolder",
                $"{Printable.Quote(text)} has no folder, and is looked for where Nix happens to run",
                "Write the whole path of the key's file.");
        }
    }

    /// <summary>Whether the list before ends with a comma: then a blank has made two columns of it.</summary>
    private bool IsAfterComma(MachineField field)
    {
        var before = field switch
        {
            MachineField.IdentityFile => MachineField.Systems,
            MachineField.MandatoryFeatures => MachineField.SupportedFeatures,
            MachineField.HostKey => MachineField.MandatoryFeatures,
            _ => field,
        };
        return before != field && entry.IsColumns && entry.Fields.TryGetValue(before, out var list) && list.Text.EndsWith(',');
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
        if (ColumnShape.Marks(text) is { } marks)
        {
            throw new NixBuildFarmException(
                "InvalidSystem", $"{Printable.Quote(text)} has {marks}", $"Write {Printable.Escaped(ColumnShape.WithoutMarks(text))}.");
        }
        foreach (var system in systems)
        {
            if (system.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')) continue;
            throw ColumnShape.Other(MachineField.Systems, system) is { } other
                ? new NixBuildFarmException(
                    "InvalidSystem",
                    $"{Printable.Quote(system)} is no system, it looks like {other}",
                    $"{Order} Write “-” for a column that you leave out.")
                : InvalidSystem($"{Printable.Quote(system)} is no system");
        }
        return systems;
    }

    private static IReadOnlyList<string> ReadList(string text) =>
        text.Split(',', StringSplitOptions.RemoveEmptyEntries).Distinct().ToArray();

    private int ReadMaxJobs(string text)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var jobs)) return jobs;
        if (entry.IsColumns && text.Any(char.IsLetter) && text != "auto"
            && entry.Fields.TryGetValue(MachineField.IdentityFile, out var key) && key.Text.Contains('/', StringComparison.Ordinal))
        {
            throw new NixBuildFarmException(
                "InvalidMaxJobs",
                $"{Printable.Quote(text)} is no number of jobs; if it belongs to the path {Printable.Quote(key.Text)} before it, a blank "
                    + "has cut that",
                "Write the key as a parameter of the address, with %20 for a blank: ssh-ng://ruby?ssh-key=/my%20keys/id. "
                + "Or write “-” for a column that you leave out.");
        }
        throw new NixBuildFarmException(
            "InvalidMaxJobs", $"{Printable.Quote(text)} is no number of jobs{LooksLike(MachineField.MaxJobs, text)}",
            text == "auto"
                ? "Write a whole number: only this machine's own max-jobs may be “auto”."
                : "Write a whole number; 0 means that it builds nothing.");
    }

    private static double ReadSpeedFactor(string text)
    {
        const NumberStyles Float = NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent | NumberStyles.AllowLeadingSign;
        if (!double.TryParse(text, Float, CultureInfo.InvariantCulture, out var factor) || !double.IsFinite(factor) || factor < 0)
        {
            throw new NixBuildFarmException(
                "InvalidSpeedFactor", $"{Printable.Quote(text)} is no speed factor{LooksLike(MachineField.SpeedFactor, text)}",
                "Write a number above 0, e.g. 1 or 2.5; 0 means 1.");
        }
        return factor == 0 ? 1 : factor;
    }

    private static string LooksLike(MachineField field, string text) =>
        ColumnShape.Other(field, text) is { } other ? $", it looks like {other}: a column before it is missing" : "";

    private static NixBuildFarmException InvalidSystem(string reason) =>
        new("InvalidSystem", reason, "Write systems with commas between them, e.g. x86_64-linux,aarch64-linux.");
}
