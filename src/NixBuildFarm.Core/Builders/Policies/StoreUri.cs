namespace NixBuildFarm.Builders.Policies;

/// <summary>The URI of a store that <c>nix copy --to</c> knows, e.g. <c>s3://cache?region=eu-west-1</c>.</summary>
public static class StoreUri
{
    private const string Separator = "://";

    /// <summary>Why a text is no URI of a store that can be pushed to; null: it may be one.</summary>
    public static string? WhyNot(string uri) =>
        uri.Any(character => char.IsControl(character) || char.IsWhiteSpace(character)) ? "it has blanks"
        : uri.IndexOf(Separator, StringComparison.Ordinal) is var at && at <= 0 ? "it does not begin with a kind of store, such as s3://"
        : !uri[..at].All(character => char.IsAsciiLetterOrDigit(character) || character is '+' or '-' or '.') || uri[0] == '-'
            ? $"“{uri[..at]}” is no kind of store"
        : uri.Length == at + Separator.Length ? "it names no place"
        : uri.StartsWith("http", StringComparison.OrdinalIgnoreCase) && UserOf(uri).Contains(':')
            ? "it has a password, which everyone on the machine sees in its list of processes: write it into the file that netrc-file of "
                + "nix.conf names"
        : null;

    /// <summary>The URI without a user's name and password: for messages and files that others may see.</summary>
    public static string WithoutSecrets(string uri) => WithoutSecretsOf(uri, uri);

    /// <summary>A text about a store, e.g. an error of Nix, without the user's name and password that the store's URI has.</summary>
    public static string WithoutSecretsOf(string uri, string text) =>
        UserOf(uri) is { Length: > 0 } user ? text.Replace(user, "", StringComparison.Ordinal) : text;

    /// <summary>The user, the password and the at sign; empty: there is none, or it is one of SSH, which is no secret.</summary>
    private static string UserOf(string uri)
    {
        var at = uri.IndexOf(Separator, StringComparison.Ordinal);
        if (at < 0 || uri.StartsWith("ssh", StringComparison.Ordinal)) return "";
        var begin = at + Separator.Length;
        var end = uri.AsSpan(begin).IndexOfAny('/', '?') is >= 0 and var length ? begin + length : uri.Length;
        return uri.Substring(begin, uri.AsSpan(begin, end - begin).LastIndexOf('@') + 1);
    }
}
