using System.Globalization;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Serving;

/// <summary>The ids of users of this machine.</summary>
internal static class UserIds
{
    private const string Users = "/etc/passwd";

    /// <summary>The id of a user, who is named or given by id.</summary>
    /// <exception cref="NixBuildFarmException">There is no such user.</exception>
    public static uint Of(string user)
    {
        if (uint.TryParse(user, NumberStyles.None, CultureInfo.InvariantCulture, out var id)) return id;
        foreach (var fields in File.ReadLines(Users).Select(line => line.Split(':')))
        {
            if (fields.Length > 2 && fields[0] == user && uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out id))
            {
                return id;
            }
        }
        throw new NixBuildFarmException(
            "UserNotFound", $"There is no user {user} in {Users}.", "Give the id of a user who comes from elsewhere: id -u NAME says it.");
    }
}
