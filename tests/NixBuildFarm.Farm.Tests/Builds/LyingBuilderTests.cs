using System.Text;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>
/// A builder whose store has been made to say what is not true: that its own content is another derivation's output. It is a real Nix that
/// says so; who owns a machine can have its store say anything.
/// </summary>
public sealed class LyingBuilderTests(TestFarm farm) : IAsyncLifetime
{
    private const string Features = "experimental-features = nix-command flakes ca-derivations";
    private const string Floating = "{ __contentAddressed = true; outputHashMode = \"recursive\"; outputHashAlgo = \"sha256\"; }";
    private const string Stranger = "/nix/store/11111111111111111111111111111111-stranger";

    private readonly BuildSession session = new();
    private NixSetting setting = null!;
    private AddedHost evil = null!;
    private AddedHost jade = null!;

    public async ValueTask InitializeAsync()
    {
        setting = await NixSetting.AddAsync(farm, Features);
        evil = await farm.AddAsync("opal", "--slots", "2", "--speed", "100", "--conf", Features);
        jade = await farm.AddAsync("jade", "--slots", "2", "--conf", Features);
    }

    public async ValueTask DisposeAsync()
    {
        await jade.DisposeAsync();
        await evil.DisposeAsync();
        await setting.DisposeAsync();
        session.Dispose();
    }

    [Fact]
    public async Task Another_derivations_path_as_a_content_addressed_result_does_not_come_home()
    {
        session.Write(
            "two",
            $$"""{ victim = package "glibc-2.39" "echo honest > $out" [ ]; mine = attrs {{Floating}} "mine" "echo mine > $out" [ ]; }""");
        var victim = await OutputOfAsync("victim");
        var mine = session.Run("Get-NixBuilder jade | Invoke-NixDistributedBuild -Path two.nix -Attribute mine").Succeeded()["mine"];
        var name = await RealisationOfAsync(mine.Derivation);
        await farm.Coordinator.ExecAsync("nix-store", "--delete", mine.Output);
        await PlantAsync(victim, "of evil's own");
        await RealiseAsync(name, victim);

        AssertRefusedAndBuiltElsewhere("mine\n", "opal says that the output out of mine is");
        await AssertAbsentAsync(victim);
        Assert.Equal(
            "honest\n",
            await File.ReadAllTextAsync(
                session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path two.nix -Attribute victim")
                    .Succeeded()["glibc-2.39"].Output));
    }

    [Fact]
    public async Task Nor_does_what_an_ordinary_result_is_said_to_refer_to()
    {
        session.Write("two", """{ mine = package "mine" "echo mine > $out" [ ]; }""");
        await PlantAsync(Stranger, "of evil's own");
        await PlantAsync(await OutputOfAsync("mine"), "of evil's own", Stranger);

        AssertRefusedAndBuiltElsewhere("mine\n", $"refers to {Stranger}, which is no input of mine");
        await AssertAbsentAsync(Stranger);
    }

    [Fact]
    public async Task Nor_does_a_download_whose_content_is_another()
    {
        session.Write("two", """{ mine = attrs { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "mine\n"; } "mine" "echo mine > $out" [ ]; }""");
        await PlantAsync(await OutputOfAsync("mine"), "of evil's own");

        AssertRefusedAndBuiltElsewhere("mine\n", "that are not its contents");
    }

    [Fact]
    public async Task What_follows_from_content_addressed_inputs_is_where_it_must_be_whatever_a_store_says()
    {
        session.Write("two", $$"""
            rec { victim = package "mine" "echo honest > $out" [ ]; mine = package "mine" "cat $inputs > $out" [ (attrs {{Floating}} "floating" "echo mine > $out" [ ]) ]; }
            """);
        var victim = await OutputOfAsync("victim");
        var mine = session.Run("Get-NixBuilder jade | Invoke-NixDistributedBuild -Path two.nix -Attribute mine").Succeeded()["mine"];
        var name = await RealisationOfAsync(mine.Derivation);
        await farm.Coordinator.ExecAsync("nix-store", "--delete", mine.Output);
        await PlantAsync(victim, "of evil's own");
        await RealiseAsync(name, victim);

        var build = session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path two.nix -Attribute mine").Succeeded()["mine"];

        Assert.Equal(("opal", mine.Output), (build.Builder, build.Output));
        Assert.Equal("mine\n", await File.ReadAllTextAsync(build.Output));
        await AssertAbsentAsync(victim);
    }

    [Fact]
    public async Task A_copy_brings_in_nothing_that_is_neither_content_addressed_nor_signed()
    {
        const string Tool = "/nix/store/22222222222222222222222222222222-tool";
        session.Write("two", """{ victim = package "glibc-2.39" "echo honest > $out" [ ]; }""");
        var victim = await OutputOfAsync("victim");
        await PlantAsync(victim, "of evil's own");
        await PlantAsync(Tool, "a tool", victim);

        var copy = session.Run($"Copy-NixStorePath {Tool} -From opal");

        Assert.Contains("PathRefused,", copy.Errors);
        Assert.Contains("-NoCheckSignature", copy.Errors);
        await AssertAbsentAsync(victim);
        await AssertAbsentAsync(Tool);

        Assert.Equal("", session.Run($"Copy-NixStorePath {Tool} -From opal -NoCheckSignature").Errors);
        Assert.Equal("a tool", await File.ReadAllTextAsync(Tool));
        await farm.Coordinator.ExecAsync("nix-store", "--delete", Tool);
        await farm.Coordinator.ExecAsync("nix-store", "--delete", victim);
    }

    /// <summary>
    /// Where there is nobody but evil there is no result; with the honest one beside it, it is the right one, whoever was asked first.
    /// </summary>
    private void AssertRefusedAndBuiltElsewhere(string content, string complaint)
    {
        var refused = session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path two.nix -Attribute mine");
        Assert.Equal("Failed", refused["mine"].Status);
        Assert.Contains(complaint, refused["mine"].Error);

        // As if it had not been met before: else it would be quarantined.
        var build =
            session.Run("Clear-NixBuildHistory -Confirm:$false; Get-NixBuilder opal, jade | Invoke-NixDistributedBuild -Path two.nix "
                + "-Attribute mine");
        Assert.Equal(("jade", true), (build["mine"].Builder, build["mine"].Success));
        Assert.Equal(content, File.ReadAllText(build["mine"].Output));
    }

    private async Task AssertAbsentAsync(string path)
    {
        Assert.False((await Command.RunAsync("nix-store", "--check-validity", path)).Succeeded, path);
        await jade.ExecAsync("bash", "-c", "! nix-store --check-validity \"$1\" 2> /dev/null", "-", path);
    }

    private async Task<string> OutputOfAsync(string attribute) =>
        (
            await farm.Coordinator.ExecAsync(
                "bash",
                "-c",
                "nix-store --query --outputs \"$(nix-instantiate \"$1\" -A \"$2\" 2> /dev/null)\"",
                "-",
                Path.Combine(session.Folder, "two.nix"),
                attribute))
            .Trim();

    /// <summary>By which name stores look up the output of a derivation that has been built.</summary>
    private async Task<string> RealisationOfAsync(string derivation) =>
        (
            await farm.Coordinator.ExecAsync(
                "bash", "-c", "nix realisation info --json \"$1\" | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/'", "-", derivation))
            .Trim();

    /// <summary>Has evil's store believe that a path is valid there.</summary>
    private async Task PlantAsync(string path, string content, params string[] references)
    {
        const string Script = """
            path=$1 content=$2; shift 2
            printf %s "$content" > "$path"
            { printf '%s\n\n%d\n' "$path" $#; for reference; do printf '%s\n' "$reference"; done; } | nix-store --register-validity
            """;
        await evil.ExecAsync(["bash", "-c", Script, "-", path, content, .. references]);
    }

    /// <summary>Has evil's store believe that a path is the output of a derivation whose path follows from its content.</summary>
    private async Task RealiseAsync(string name, string path)
    {
        Assert.StartsWith("sha256:", name);
        // The worker protocol at version 1.30, where a realisation is two strings, the path without its folder: greeting, then
        // RegisterDrvOutput.
        const ulong Greeting = 0x6e697863, Version = 0x11e, RegisterDrvOutput = 42;
        var said = Octal(
            [
                .. Word(Greeting), .. Word(Version), .. Word(0), .. Word(0), .. Word(RegisterDrvOutput), .. Word(name),
                .. Word(Path.GetFileName(path)),
            ]);
        // Its input stays open until it has answered, for at its end a daemon stops: 16 bytes of greeting, then the end of each request.
        const string Script = """coproc nix-daemon --stdio; printf "$1" >&"${COPROC[1]}"; head --bytes 32 <&"${COPROC[0]}" > /dev/null""";
        await evil.ExecAsync("bash", "-c", Script, "-", said);
        await evil.ExecAsync("nix-store", "--check-validity", path);
    }

    private static byte[] Word(ulong number) => BitConverter.GetBytes(number);

    private static byte[] Word(string text) =>
        [.. Word((ulong)text.Length), .. Encoding.ASCII.GetBytes(text), .. new byte[-text.Length & 7]];

    private static string Octal(byte[] bytes) => string.Concat(bytes.Select(value => $"\\{Convert.ToString(value, 8).PadLeft(3, '0')}"));
}
