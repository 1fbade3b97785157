using System.Text.Encodings.Web;
using System.Text.Json;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>
/// Tells a store where an output is whose path was known only after the build. Since 1.31 it is one JSON text, and with the feature of Nix
/// 2.35 the resolved derivation, the output's name, its path and signatures. [RegisterDrvOutput in src/libstore/daemon.cc of NixOS/nix]
/// </summary>
internal sealed record RegisterRealisationRequest(Realisation Realisation) : IRequest<Done>
{
    // A plus sign stays one: Nix compares texts.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public WorkerOperation Operation => WorkerOperation.RegisterRealisation;

    public void Write(WireWriter writer, ProtocolVersion version)
    {
        if (version.HasRealisationsByPath) WriteByPath(writer);
        else WriteByHash(writer);
    }

    public ValueTask<Done> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) => Done.Nothing;

    private void WriteByPath(WireWriter writer)
    {
        writer.WriteStorePath(Realisation.Resolved ?? throw new InvalidOperationException($"{Realisation.Id} is not resolved."));
        writer.WriteString(Realisation.OutputIn(Realisation.Id));
        writer.WriteStorePath(Realisation.Path);
        writer.WriteStrings([]); // No signatures.
    }

    private void WriteByHash(WireWriter writer)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text, Plain))
        {
            json.WriteStartObject();
            json.WriteString("id", Realisation.Id);
            json.WriteString("outPath", Realisation.Path.BaseName);
            json.WriteStartArray("signatures");
            json.WriteEndArray();
            // Without dependent realisations: a store would require them as well, and needs none.
            json.WriteStartObject("dependentRealisations");
            json.WriteEndObject();
            json.WriteEndObject();
        }
        writer.WriteBytes(text.ToArray());
    }
}
