using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;

namespace NixBuildFarm.Core.Tests.Builders;

/// <summary>Reads lists in tests: a local machine, and files that exist in a dictionary only.</summary>
internal static class Lists
{
    /// <summary>A public key made for these tests; nobody has its other half.</summary>
    public const string HostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEzG3g9Tb0yYx1oI1t8cC5kUqD0aQ2mUo3rX0N9rJm1w root@ruby";

    public static readonly string HostKeyColumn = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(HostKey + "\n"));

    public static readonly NixBuilder Local = new()
    {
        Name = "local",
        HostName = "localhost",
        Uri = "auto",
        Scheme = StoreScheme.Local,
        Systems = ["x86_64-linux", "i686-linux"],
        MaxJobs = 6,
        Cores = 12,
        SupportedFeatures = ["kvm"],
        Source = "nix.conf",
    };

    public static MachineList Parse(string text, params (string Path, string Text)[] files) =>
        MachineList.Parse(text, "/etc/nix/machines", Local, path => files.Where(f => f.Path == path).Select(f => f.Text).FirstOrDefault());

    /// <summary>The only builder of a list without problems.</summary>
    public static NixBuilder Builder(string text)
    {
        var list = Parse(text);
        Assert.Empty(list.Problems);
        return Assert.Single(list.Builders);
    }

    /// <summary>The only problem of a list.</summary>
    public static BuilderProblem Problem(string text, params (string Path, string Text)[] files) =>
        Assert.Single(Parse(text, files).Problems);
}
