using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Sharing;

/// <summary>Builders of every kind: whatever becomes of the sharing, the build succeeds and no store is harmed.</summary>
public sealed class ShimHostTests(TestFarm farm) : IAsyncDisposable
{
    private const string Users =
        "groupadd --system nixbld && for i in 1 2 3 4; do useradd --system --no-create-home --gid nixbld --groups nixbld nixbld$i; done";
    private readonly ShimFarm shims = new(farm);

    public ValueTask DisposeAsync() => shims.DisposeAsync();

    [Fact]
    public async Task Builds_that_run_as_root_are_shared()
    {
        Skip();
        await shims.AddHelperAsync();

        await BuildAsync(await shims.AddHomeAsync("--sandbox"), isShared: true);
    }

    [Fact]
    public async Task Builds_that_run_as_build_users_are_shared_with_helpers_that_have_them_too()
    {
        Skip();
        var helper = await shims.AddHelperAsync("--conf", "build-users-group = nixbld");
        await helper.ExecAsync("bash", "-c", Users);
        var home = await shims.AddHomeAsync("--sandbox", "--conf", "build-users-group = nixbld");
        await home.ExecAsync("bash", "-c", Users);

        await BuildAsync(home, isShared: true);
    }

    [Fact]
    public async Task Builds_outside_the_sandbox_are_not_shared()
    {
        Skip();
        await shims.AddHelperAsync();

        await BuildAsync(await shims.AddHomeAsync(), isShared: false);
    }

    [Fact]
    public async Task Builds_of_a_login_that_is_not_trusted_are_not_shared()
    {
        Skip();
        await shims.AddHelperAsync();

        await BuildAsync(await shims.AddHomeAsync("--sandbox", "--user", "guest"), isShared: false);
    }

    [Fact]
    public async Task A_broker_lets_only_root_and_build_users_in()
    {
        Skip();
        var home = await shims.AddHomeAsync("--sandbox");
        await home.ExecAsync("bash", "-c", Users);
        await shims.WriteAsync("shim", "shim");
        var shim = shims.Session.Run("Get-NixBuilder beryl | Invoke-NixDistributedBuild -Path shim.nix -Share Never -CopyBack None")
            .Succeeded()["nixbuildfarm-shim"].Output;
        // Each sends one frame whose payload is its name; what the broker passes on is what it printed.
        const string script = """
            mkfifo /tmp/hold
            "$1" broker < /tmp/hold > /tmp/relayed &
            exec 4> /tmp/hold
            until read -r _ _ folder < /tmp/relayed; do sleep 0.05; done 2> /dev/null
            for user in root nixbld1 nix guest; do
              setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups perl -MIO::Socket::UNIX -e '
                my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or exit; $SIG{PIPE} = "IGNORE"; print $s pack("VV", 1, length $ARGV[1]), $ARGV[1]; close $s' "$folder/socket" "<$user>"
            done
            for ((i = 0; i < 100; i++)); do [ "$(grep -ao '<[a-z0-9]*>' /tmp/relayed | wc -l)" -lt 2 ] || break; sleep 0.05; done
            exec 4>&-
            wait
            grep -ao '<[a-z0-9]*>' /tmp/relayed; find "$folder"
            """;

        var passed = await home.ExecAsync("bash", "-c", script + " || true", "-", shim);

        Assert.Equal("<root>\n<nixbld1>\n", passed);
    }

    private async Task BuildAsync(AddedHost home, bool isShared)
    {
        await shims.WriteAsync("program", "program", units: 14);

        var build =
            shims.Session.Run("Get-NixBuilder beryl, coral | Invoke-NixDistributedBuild -Path program.nix -Share Always -CopyBack None")
            .Succeeded();

        Assert.Equal(home.Name, build["program"].Builder);
        if (isShared) Assert.InRange(ShimFarm.Shared(build, "program"), 1, 15);
        else Assert.Equal(0, ShimFarm.Shared(build, "program"));
        await shims.NothingIsHarmedAsync();
    }

    private void Skip() => Assert.SkipUnless(shims.HasToolchain, "the toolchain of tests/Farm/toolchain is not there");
}
