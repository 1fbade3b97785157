using System.Text;

namespace NixBuildFarm.Evaluation;

/// <summary>Texts in the Nix language.</summary>
public static class NixLiteral
{
    /// <summary>The expression whose value is a text.</summary>
    public static string Of(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
        {
            quoted.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                // ${ would be evaluated.
                '$' => "\\$",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                _ => c.ToString(),
            });
        }
        return quoted.Append('"').ToString();
    }
}
