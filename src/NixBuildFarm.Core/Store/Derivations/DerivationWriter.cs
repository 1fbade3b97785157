using System.Buffers;

namespace NixBuildFarm.Store.Derivations;

/// <summary>Writes a derivation in ATerm, with everything sorted as Nix sorts it: the reverse of <see cref="DerivationReader"/>.</summary>
internal sealed class DerivationWriter
{
    private static readonly SearchValues<byte> Special = SearchValues.Create("\"\\\n\r\t"u8);

    private readonly ArrayBufferWriter<byte> aterm = new(4096);

    private DerivationWriter() { }

    public static byte[] Write(Derivation derivation) =>
        Write(
            derivation,
            maskOutputs: false,
            derivation.InputDerivations.Select(
                input => KeyValuePair.Create(
                    input.Key.ToString(),
                    new DynamicInput(input.Value, derivation.DynamicInputs.GetValueOrDefault(input.Key, DynamicInput.None)))));

    /// <summary>Writes the form of a derivation that is hashed.</summary>
    /// <param name="derivation">The derivation.</param>
    /// <param name="maskOutputs">Whether its own output paths, which may follow from that hash, are left out.</param>
    /// <param name="inputs">Replacements for its input derivations, each with the outputs that it uses.</param>
    public static byte[] Write(Derivation derivation, bool maskOutputs, IEnumerable<KeyValuePair<string, IEnumerable<string>>> inputs) =>
        Write(
            derivation,
            maskOutputs,
            inputs.Select(input => KeyValuePair.Create(input.Key, new DynamicInput([.. input.Value], DynamicInput.None))));

    private static byte[] Write(Derivation derivation, bool maskOutputs, IEnumerable<KeyValuePair<string, DynamicInput>> inputs)
    {
        var writer = new DerivationWriter();
        writer.Put(derivation.DynamicInputs.Count > 0 ? DerivationReader.DynamicStart : "Derive("u8);
        writer.PutList(derivation.Outputs.OrderBy(output => output.Key, NixText.Order), output => writer.PutOutput(output, maskOutputs));
        writer.Put(","u8);
        writer.PutList(inputs.OrderBy(input => input.Key, NixText.Order), writer.PutInput);
        writer.Put(","u8);
        writer.PutList(derivation.InputSources.Order(), source => writer.PutText(source.ToString()));
        writer.Put(","u8);
        writer.PutText(derivation.System);
        writer.Put(","u8);
        writer.PutText(derivation.Builder);
        writer.Put(","u8);
        writer.PutList(derivation.Arguments, writer.PutText);
        writer.Put(","u8);
        writer.PutList(
            derivation.Environment.OrderBy(variable => variable.Key, NixText.Order),
            variable => writer.PutTuple(variable.Key, maskOutputs && derivation.Outputs.ContainsKey(variable.Key) ? "" : variable.Value));
        writer.Put(")"u8);
        return writer.aterm.WrittenSpan.ToArray();
    }

    private void PutOutput(KeyValuePair<string, DerivationOutput> output, bool isMasked)
    {
        var (path, algorithm, hash) = output.Value;
        PutTuple(output.Key, isMasked ? "" : path?.ToString() ?? "", algorithm, hash);
    }

    private void PutInput(KeyValuePair<string, DynamicInput> input)
    {
        Put("("u8);
        PutText(input.Key);
        Put(","u8);
        var (outputs, made) = input.Value;
        if (made.Count > 0) Put("("u8);
        PutList(outputs.Order(NixText.Order), PutText);
        if (made.Count > 0)
        {
            Put(","u8);
            PutList(made.OrderBy(one => one.Key, NixText.Order), PutInput);
            Put(")"u8);
        }
        Put(")"u8);
    }

    private void PutTuple(params string[] texts)
    {
        var separator = "("u8;
        foreach (var text in texts)
        {
            Put(separator);
            PutText(text);
            separator = ","u8;
        }
        Put(")"u8);
    }

    private void PutList<T>(IEnumerable<T> items, Action<T> put)
    {
        Put("["u8);
        var isFirst = true;
        foreach (var item in items)
        {
            if (!isFirst) Put(","u8);
            isFirst = false;
            put(item);
        }
        Put("]"u8);
    }

    private void PutText(string text)
    {
        Put("\""u8);
        ReadOnlySpan<byte> rest = NixText.GetBytes(text);
        for (var length = rest.IndexOfAny(Special); length >= 0; length = rest.IndexOfAny(Special))
        {
            Put(rest[..length]);
            Put(rest[length] switch
            {
                (byte)'\n' => "\\n"u8,
                (byte)'\r' => "\\r"u8,
                (byte)'\t' => "\\t"u8,
                (byte)'"' => "\\\""u8,
                _ => "\\\\"u8,
            });
            rest = rest[(length + 1)..];
        }
        Put(rest);
        Put("\""u8);
    }

    private void Put(ReadOnlySpan<byte> bytes) => aterm.Write(bytes);
}
