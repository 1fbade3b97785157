namespace NixBuildFarm.Builders.Listing;

/// <summary>The fields of an entry, in the order of the columns of a machines list.</summary>
public enum MachineField
{
    /// <summary>The address: a store URI or a bare host.</summary>
    Uri,

    /// <summary>Systems, with commas between them.</summary>
    Systems,

    /// <summary>The file of the private key.</summary>
    IdentityFile,

    /// <summary>Builds at a time.</summary>
    MaxJobs,

    /// <summary>Speed relative to the other builders.</summary>
    SpeedFactor,

    /// <summary>Its features, separated by commas.</summary>
    SupportedFeatures,

    /// <summary>Features without which it takes no build, with commas between them.</summary>
    MandatoryFeatures,

    /// <summary>The expected host key.</summary>
    HostKey,
}

/// <summary>The text of a field, and where it stands.</summary>
/// <param name="Text">As it is written; it has not been checked.</param>
/// <param name="Line">The line, from 1.</param>
/// <param name="Column">The character in the line, from 1.</param>
public sealed record MachineFieldText(string Text, int Line, int Column);

/// <summary>
/// One builder as a source describes it: texts, not yet checked, each with its place. Every source comes down to this, so
/// that a builder means the same whichever it comes from, and is complained of in the same words.
/// </summary>
public sealed record MachineEntry
{
    /// <summary>The names that a machines list has for its fields, in the order of <see cref="MachineField"/>.</summary>
    internal static readonly IReadOnlyList<string> ListFieldNames =
        ["store URI", "systems", "SSH key", "maxJobs", "speedFactor", "supportedFeatures", "mandatoryFeatures", "host key"];

    /// <summary>The file that it stands in, or the name of the setting.</summary>
    public required string Source { get; init; }

    /// <summary>The line where it begins, from 1.</summary>
    public required int Line { get; init; }

    /// <summary>The character in that line, from 1.</summary>
    public int Column { get; init; } = 1;

    /// <summary>The name that the source gives it; null: its host.</summary>
    public string? Name { get; init; }

    /// <summary>The fields that are there; of the others the defaults hold.</summary>
    public required IReadOnlyDictionary<MachineField, MachineFieldText> Fields { get; init; }

    /// <summary>The names of the fields in the source, in the order of <see cref="MachineField"/>.</summary>
    public required IReadOnlyList<string> FieldNames { get; init; }

    /// <summary>Whether the fields are columns of a line, so that a blank or a missing one moves the others.</summary>
    public bool IsColumns { get; init; }

    /// <summary>Whether the host key is written in base 64 once more, as a machines list has it.</summary>
    public bool IsHostKeyEncoded { get; init; }

    /// <summary>Whether runs shall use it.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Whether the builder may fetch from its own substituters; null: as Nix's setting says.</summary>
    public bool? UsesSubstitutes { get; init; }

    /// <summary>Settings for SSH in the source; null: none.</summary>
    public BuilderSshSettings? Ssh { get; init; }

    /// <summary>Something wrong with a field, at its place, or at the entry's where the field is missing.</summary>
    internal BuilderProblem Problem(ProblemSeverity severity, MachineField field, string id, string message, string? recommendation)
    {
        var place = Fields.GetValueOrDefault(field) ?? new MachineFieldText("", Line, Column);
        return new()
        {
            Severity = severity,
            Id = id,
            File = Source,
            Line = place.Line,
            Column = place.Column,
            Field = FieldNames[(int)field],
            Message = message,
            Recommendation = recommendation,
        };
    }
}

/// <summary>Parsed entries, and problems with the rest.</summary>
/// <param name="Entries">The entries, in their order.</param>
/// <param name="Problems">The problems.</param>
public sealed record MachineEntries(IReadOnlyList<MachineEntry> Entries, IReadOnlyList<BuilderProblem> Problems);
