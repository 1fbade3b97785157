using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Store;

namespace NixBuildFarm.Copying;

/// <summary>
/// <para type="synopsis">Copies store paths, with all that they refer to, from one machine to others.</para>
/// </summary>
[Cmdlet(VerbsCommon.Copy, "NixStorePath", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(NixStorePathCopy))]
public sealed class CopyNixStorePathCommand : AsyncCommand
{
    private readonly List<StorePath> paths = [];

    /// <summary>The store paths: texts, links to them, results of builds.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    public object[] Path { get; set; } = [];

    /// <summary>The builders that get them: objects or names. Without it, the local store.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public object[] To { get; set; } = [];

    /// <summary>The builder that has them: an object or a name. Without it, the local store.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public object? From { get; set; }

    /// <summary>Copies only the paths themselves, not what they refer to.</summary>
    [Parameter]
    public SwitchParameter NoClosure { get; set; }

    /// <summary>Accepts paths of a builder that are neither content-addressed nor signed with a trusted key.</summary>
    [Parameter]
    public SwitchParameter NoCheckSignature { get; set; }

    /// <summary>Bytes per second that may leave this machine, for all builders together.</summary>
    [Parameter]
    [ValidateRange(1, long.MaxValue)]
    public long? MaxUpload { get; set; }

    /// <summary>Its password is the passphrase of encrypted private keys.</summary>
    [Parameter]
    [Credential]
    public PSCredential? Credential { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        if (To.Length > 0 || From is not null) return;
        ThrowTerminatingError(
            new NixBuildFarmException(
                "NoDestination",
                "Neither -To nor -From is given, so there is nothing to copy.",
                "Name the builders that get the paths with -To, or the one that has them with -From.")
                .ToErrorRecord());
    }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var item in Path)
        {
            try
            {
                paths.AddRange(StorePathArgument.Read(item, this.FileOf));
            }
            catch (NixBuildFarmException e)
            {
                WriteError(e.ToErrorRecord(item));
            }
        }
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        StorePath[] distinct = [.. paths.Distinct()];
        if (distinct.Length == 0) return;
        var what = distinct.Length == 1 ? distinct[0].ToString() : $"{distinct.Length} store paths";
        var target = To.Length == 0 ? NixBuilder.LocalName : string.Join(", ", To.Select(to => to.ToString()));
        if (ShouldProcess(target, $"Copy {what} from {From ?? NixBuilder.LocalName}"))
        {
            Await((output, cancellation) => CopyAsync(distinct, output, cancellation));
        }
    }

    private async Task CopyAsync(IReadOnlyList<StorePath> wanted, CommandOutput output, CancellationToken cancellation)
    {
        var request = new PathCopyRequest
        {
            Paths = wanted,
            Closure = !NoClosure,
            CheckSignatures = !NoCheckSignature,
            MaxUpload = MaxUpload,
        };
        if (To.Length > 0) request = request with { To = await BuilderSelection.FromAsync(To, output, cancellation) };
        if (From is not null)
        {
            request = request with
            {
                From = await BuilderSelection.FromAsync([From], output, cancellation) is [var only] ? only : throw NotOneSource(From),
            };
        }
        var observer = new CopyObserver(output);
        try
        {
            await new PathCopier(request, SessionTransports.With(Credential), observer).CopyAsync(cancellation);
        }
        finally
        {
            observer.Complete();
        }
    }

    private static NixBuildFarmException NotOneSource(object from) =>
        new("NoSource", $"“{from}” is not one builder, so there is nothing to copy from.", "Name one builder: Get-NixBuilder shows them.");
}
