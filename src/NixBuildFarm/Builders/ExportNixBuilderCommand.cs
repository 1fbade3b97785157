using System.Management.Automation;
using System.Text;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Builders;

/// <summary>Writes builders to a file: a machines list, Lix's list in TOML, or a NixOS module.</summary>
[Cmdlet(VerbsData.Export, "NixBuilder", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(void))]
public sealed class ExportNixBuilderCommand : AsyncCommand
{
    private const UnixFileMode Readable =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private readonly List<PSObject> given = [];

    /// <summary>The file to write. One that is there is replaced.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>
    /// The builders: objects, names, or objects with the properties of a builder, such as rows of a table. None: all that are configured.
    /// </summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public PSObject[] Builder { get; set; } = [];

    /// <summary>The form; by default what the file's name says: .toml, .nix, else a machines list.</summary>
    [Parameter]
    public NixBuilderFormat? Format { get; set; }

    /// <summary>Does not replace a file that is there.</summary>
    [Parameter]
    public SwitchParameter NoClobber { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => given.AddRange(Builder);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // An empty pipeline must not turn into “all of them”, nor a list into an empty one.
        if (MyInvocation.ExpectingInput && given.Count == 0) return;
        var file = this.FileOf(Path);
        var format = Format ?? BuilderFormats.Of(file);
        IReadOnlyList<NixBuilder> builders = [];
        Await(async (output, cancellation) =>
        {
            var all = given.Count > 0
                ? await BuilderDescriptions.ReadAsync(given, output, cancellation)
                : await ConfiguredBuilders.ReadAsync(output, cancellation);
            builders = [.. all.Distinct(output).Where(builder => CanHold(format, builder, output))];
        });
        if (builders.Count == 0)
        {
            ThrowTerminatingError(
                new NixBuildFarmException(
                    "NoBuilder", $"No builder is left to write, and {file} stays as it is.", "Look at what Get-NixBuilder gives.")
                    .ToErrorRecord(Path));
        }
        if (NoClobber && File.Exists(file))
        {
            ThrowTerminatingError(
                new NixBuildFarmException("FileExists", $"There is a file {file} already.", "Name another, or leave -NoClobber out.")
                    .ToErrorRecord(Path));
        }
        if (!ShouldProcess(file, $"Write {builders.Count} builders ({format})")) return;
        Await((_, _) =>
        {
            Write(file, BuilderFormats.Write(format, builders));
            return Task.CompletedTask;
        });
    }

    private static bool CanHold(NixBuilderFormat format, NixBuilder builder, CommandOutput output)
    {
        if (LocalBuilder.IsImplicit(builder))
        {
            output.Verbose($"{builder.Name} is left out: Nix's own settings describe this machine.");
            return false;
        }
        if (format != NixBuilderFormat.NixosModule && builder.Ssh is { } ssh && ssh.Concerns(builder))
        {
            output.Warning($"{builder.Name}: {ssh.Source} has settings of SSH for it, and a machines list has no place for them; ssh must "
                + "know the name and the host key.");
        }
        if (format == NixBuilderFormat.Toml) return true;
        if (!builder.Enabled)
        {
            output.Warning($"{builder.Name} is left out: it is disabled, and "
                + $"{(format == NixBuilderFormat.MachinesList ? "a machines list" : "a NixOS module")} cannot say so.");
            return false;
        }
        // NixOS makes a machines list of its module.
        if (MachineListWriter.WhyNot(builder) is { } reason)
        {
            output.Error(
                new NixBuildFarmException(
                    "BuilderNotWritten", $"{builder.Name} cannot be written: {reason}.", "Write it as TOML, or change it."),
                builder);
            return false;
        }
        if (format == NixBuilderFormat.NixosModule && builder.SpeedFactor != Math.Truncate(builder.SpeedFactor))
        {
            output.Warning(
                FormattableString.Invariant($"{builder.Name}: its speedFactor is {builder.SpeedFactor}.")
                    + " Older versions of NixOS take whole numbers only.");
        }
        return true;
    }

    private static void Write(string file, string text)
    {
        try
        {
            WholeFile.Replace(file, Encoding.UTF8.GetBytes(text), File.Exists(file) ? File.GetUnixFileMode(file) : Readable);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException(
                "FileNotWritten", $"The file {file} cannot be written: {e.Message}",
                "Make its folder writable. On NixOS, /etc/nix/machines is made of nix.buildMachines: export a module there.", e);
        }
    }
}
