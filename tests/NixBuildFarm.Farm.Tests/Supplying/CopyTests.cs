using System.Diagnostics;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Supplying;

/// <summary>Copy-NixStorePath, between real stores.</summary>
public sealed class CopyTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    [EveryNix("`Copy-NixStorePath`")]
    public async Task A_closure_goes_to_a_builder_and_on_to_another_and_comes_home()
    {
        var (top, bottom) = Built();

        var there = Copies("Copy-NixStorePath ./result -To ruby");
        Assert.Equal([$"Copied {bottom} local ruby False", $"Copied {top} local ruby True"], there);
        await farm.Ruby.ExecAsync("nix-store", "--verify-path", top, bottom);

        Assert.Equal(
            [$"Copied {bottom} ruby kana False", $"Copied {top} ruby kana True"],
            Copies($"Copy-NixStorePath {top} -From ruby -To kana -NoCheckSignature"));
        File.Delete(Path.Combine(session.Folder, "result"));
        await farm.Coordinator.ExecAsync("nix-store", "--delete", top);
        await farm.Coordinator.ExecAsync("nix-store", "--delete", bottom);

        Assert.Equal(
            [$"Copied {bottom} kana local False", $"Copied {top} kana local True"],
            Copies($"'{top}' | Copy-NixStorePath -From kana -NoCheckSignature"));
        await farm.Coordinator.ExecAsync("nix-store", "--verify-path", top, bottom);
    }

    [Fact]
    public void A_path_that_is_there_is_reported_as_such_and_not_sent_again()
    {
        var (top, _) = Built();
        Copies($"Copy-NixStorePath {top} -To ruby");

        Assert.Equal([$"AlreadyValid {top}  ruby True"], Copies($"Copy-NixStorePath {top}/nothing/in/it -To ruby"));
    }

    [Fact]
    public void Results_of_a_build_are_copied_to_several_builders_at_once()
    {
        session.Write("many", """package "top" "cat $inputs > $out" (many 20 (i: package "leaf${toString i}" "echo $name > $out" [ ]))""");

        var copies = Copies("Get-NixBuilder local | Invoke-NixDistributedBuild -Path many.nix | Copy-NixStorePath -To ruby, kana, aqua*");

        Assert.Equal(63, copies.Count);
        Assert.All(copies, copy => Assert.StartsWith("Copied ", copy));
    }

    [Fact]
    public async Task A_damaged_path_is_refused_and_named_with_who_has_it()
    {
        var (top, bottom) = Built();
        Copies($"Copy-NixStorePath {top} -To ruby");
        await farm.Ruby.ExecAsync("bash", "-c", "chmod u+w \"$1\" && echo 'not what it was' > \"$1\"", "-", bottom);
        File.Delete(Path.Combine(session.Folder, "result"));
        await farm.Coordinator.ExecAsync("nix-store", "--delete", top);
        await farm.Coordinator.ExecAsync("nix-store", "--delete", bottom);

        var copy = session.Run($"Copy-NixStorePath {top} -From ruby -NoCheckSignature");

        Assert.Contains($"DamagedPath,NixBuildFarm.Copying.CopyNixStorePathCommand: The copy of {bottom} on ruby is damaged", copy.Errors);
        Assert.Contains($"nix-store --repair-path {bottom}", copy.Errors);
        Assert.False(Path.Exists(bottom) || Path.Exists(top));
    }

    [Fact]
    public async Task A_damaged_path_of_this_machine_is_refused_and_named()
    {
        var (top, bottom) = Built();
        // As long as it was: only the hash tells.
        await farm.Coordinator.ExecAsync(
            "bash", "-c", "chmod u+w \"$1\" && tr a-z A-Z < \"$1\" > /tmp/damaged && cat /tmp/damaged > \"$1\"", "-", bottom);

        var copy = session.Run($"Copy-NixStorePath {top} -To ruby");

        Assert.Contains($"The copy of {bottom} on local is damaged, and was refused", copy.Errors);
        await Assert.ThrowsAsync<InvalidOperationException>(() => farm.Ruby.ExecAsync("nix-store", "--check-validity", bottom));
        File.Delete(Path.Combine(session.Folder, "result"));
        await farm.Coordinator.ExecAsync("nix-store", "--delete", top);
        await farm.Coordinator.ExecAsync("nix-store", "--delete", bottom);
    }

    [Fact]
    public async Task A_path_in_which_a_name_is_no_text_arrives_as_it_is()
    {
        session.Write("odd", """
            package "odd" "mkdir -p $out/b; head -c 300000 /dev/urandom > $out/a; echo b > $out/b/$(printf '\\377'); echo c > $out/c" [ ]
            """);
        var odd = session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path odd.nix").Succeeded()["odd"].Output;

        session.Run($"Copy-NixStorePath {odd} -To ruby");

        await farm.Ruby.ExecAsync("nix-store", "--verify-path", odd);
        Assert.Equal("2", (await farm.Ruby.ExecAsync("bash", "-c", $"LC_ALL=C ls {odd} | grep -c '^[ac]$'")).Trim());
    }

    [Fact]
    public async Task A_login_that_is_not_trusted_is_told_what_to_do()
    {
        await using var opal = await farm.AddAsync("opal", "--user", "guest");
        var (top, _) = Built();

        var copy = session.Run($"Copy-NixStorePath {top} -To opal");

        Assert.Contains("UnsignedPath,", copy.Errors);
        Assert.Contains("opal does not trust the login", copy.Errors);
        Assert.Contains("trusted-users in /etc/nix/nix.conf of opal", copy.Errors);
        Assert.Contains("secret-key-files", copy.Errors);
    }

    [Fact]
    public async Task A_path_from_a_builder_needs_the_signature_of_a_trusted_key()
    {
        var (top, bottom) = Built();
        Copies($"Copy-NixStorePath {top} -To ruby");
        File.Delete(Path.Combine(session.Folder, "result"));
        await farm.Coordinator.ExecAsync("nix-store", "--delete", top);
        await farm.Coordinator.ExecAsync("nix-store", "--delete", bottom);
        await farm.Ruby.ExecAsync(
            "bash",
            "-c",
            "nix-store --generate-binary-cache-key ruby-1 /root/ruby-key /root/ruby-key.pub && nix store sign --recursive --key-file "
                + "/root/ruby-key \"$1\"",
            "-",
            top);
        var key = (await farm.Ruby.ExecAsync("cat", "/root/ruby-key.pub")).Trim();

        var refused = session.Run($"Copy-NixStorePath {top} -From ruby");
        Assert.Contains("PathRefused,", refused.Errors);
        Assert.Contains("nix store sign", refused.Errors);
        Assert.False(Path.Exists(top) || Path.Exists(bottom));

        await using var trust = await NixSetting.AddAsync(farm, $"trusted-public-keys = {key}");
        session.LogOut();
        Assert.Equal([$"Copied {bottom} ruby local False", $"Copied {top} ruby local True"], Copies($"Copy-NixStorePath {top} -From ruby"));
    }

    [Fact]
    public void A_missing_path_is_an_error_and_the_rest_is_copied()
    {
        var (top, _) = Built();
        const string absent = "/nix/store/00000000000000000000000000000000-absent";

        var copy = session.Run($"'{absent}', 'nonsense', '{top}' | Copy-NixStorePath -To ruby");

        Assert.Contains($"PathNotFound,NixBuildFarm.Copying.CopyNixStorePathCommand: local does not have {absent}.", copy.Errors);
        Assert.Contains("NotAStorePath,", copy.Errors);
        Assert.Contains(top, copy.Script.Output.Select(o => o.ToString()));
    }

    [Fact]
    public void Without_a_destination_nothing_is_copied() =>
        Assert.Contains("NoDestination,", session.Run("Copy-NixStorePath /nix/store/00000000000000000000000000000000-any").Errors);

    [Fact]
    public async Task WhatIf_copies_nothing()
    {
        var (top, _) = Built();

        Assert.Contains($"Copy {top} from local", session.Show($"Copy-NixStorePath {top} -To ruby, kana -WhatIf"));

        var check = await Command.RunAsync("ssh", "root@ruby", $"nix-store --check-validity {top}");
        Assert.False(check.Succeeded);
    }

    [Fact]
    public void No_more_leaves_this_machine_than_is_allowed()
    {
        session.Write("big", """package "big" "head -c 4000000 /dev/urandom > $out" [ ]""");
        var big = session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path big.nix").Succeeded()["big"].Output;
        var clock = Stopwatch.StartNew();

        Copies($"Copy-NixStorePath {big} -To ruby, kana -MaxUpload 4MB");

        // Twice 4 MB, less what is saved up: a lower bound, however slow the machine.
        Assert.InRange(clock.Elapsed.TotalSeconds, 1.5, double.MaxValue);
    }

    private (string Top, string Bottom) Built()
    {
        session.Write("pair", """package "top" "echo refers to $inputs > $out" [ (package "bottom" "echo bottom > $out" [ ]) ]""");
        var build = session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path pair.nix -OutLink result").Succeeded();
        return (build["top"].Output, build["bottom"].Output);
    }

    private List<string> Copies(string script)
    {
        var run = session.Run(script);
        Assert.True(run.Errors.Length == 0, run.Errors);
        return [.. run.Script.Output.Where(o => o.Properties["NarSize"] is not null).Select(o =>
            string.Join(' ', new[] { "Status", "Path", "From", "To", "IsRequested" }.Select(name => o.Properties[name].Value)))];
    }
}
