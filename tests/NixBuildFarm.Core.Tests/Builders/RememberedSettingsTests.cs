using NixBuildFarm.Builders;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Core.Tests.Builders;

/// <summary>Nix is asked for its settings once, and again when they may be others.</summary>
public sealed class RememberedSettingsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("nixbuildfarm-settings-").FullName;
    private readonly List<string> asked = [];
    private string around = "nix 2.34";
    private Func<string> version;

    public RememberedSettingsTests()
    {
        version = () =>
            $"nix (Nix) 2.34\nSystem configuration file: {SystemFile}\nUser configuration files: {UserFile}:/nowhere/nix.conf\n";
        Write(SystemFile, "cores = 4\n");
    }

    private string SystemFile => Path.Combine(folder, "nix.conf");

    private string UserFile => Path.Combine(folder, "user.conf");

    private string Included => Path.Combine(folder, "more.conf");

    private int TimesAsked => asked.Count(words => words.Contains("show-config", StringComparison.Ordinal));

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Nix_is_asked_once_as_long_as_nothing_changes()
    {
        var settings = Make();

        var first = await ReadAsync(settings);
        var second = await ReadAsync(settings);

        Assert.Equal(("x86_64-linux", "x86_64-linux"), (first.System, second.System));
        Assert.Equal(1, TimesAsked);
    }

    [Theory]
    [InlineData("file")]
    [InlineData("new file")]
    [InlineData("included file")]
    [InlineData("surroundings")]
    public async Task Nix_is_asked_again_when_settings_may_be_others(string what)
    {
        Write(SystemFile, "# ours\n  !include more.conf # and more\n");
        Write(Included, "cores = 2\n");
        var settings = Make();
        await ReadAsync(settings);

        switch (what)
        {
            case "file": Write(SystemFile, "cores = 8\n"); break;
            case "new file": Write(UserFile, "cores = 8\n"); break;
            case "included file": Write(Included, "cores = 8\n"); break;
            default: around = "nix 2.35"; break;
        }
        await ReadAsync(settings);
        await ReadAsync(settings);

        Assert.Equal(2, TimesAsked);
    }

    [Fact]
    public async Task What_was_written_while_Nix_was_asked_is_not_relied_on()
    {
        var settings = Make();
        File.SetLastWriteTimeUtc(SystemFile, DateTime.UtcNow.AddHours(1));

        await ReadAsync(settings);
        await ReadAsync(settings);

        Assert.Equal(2, TimesAsked);
        // Which files there are is known.
        Assert.Single(asked, words => words.Contains("--version", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("nix (Nix) 2.4")]
    [InlineData("")]
    [InlineData(null)]
    public async Task A_Nix_that_does_not_say_what_it_reads_is_asked_each_time(string? answer)
    {
        version = () => answer ?? throw new NixBuildFarmException("NixFailed", "nix: unrecognised flag");
        var settings = Make();

        await ReadAsync(settings);
        await ReadAsync(settings);

        Assert.Equal(2, TimesAsked);
    }

    [Fact]
    public async Task Files_that_include_each_other_are_read_once()
    {
        Write(SystemFile, $"include {Included}\n");
        Write(Included, $"include {SystemFile}\n");
        var settings = Make();

        await ReadAsync(settings);
        await ReadAsync(settings);

        Assert.Equal(1, TimesAsked);
    }

    private static Task<NixConfiguration> ReadAsync(RememberedSettings settings) =>
        settings.ReadAsync(TestContext.Current.CancellationToken);

    private RememberedSettings Make() => new(
        (arguments, _) =>
        {
            asked.Add(string.Join(' ', arguments));
            return Task.FromResult(
                arguments.Contains("--version") ? version() : """{ "system": { "value": "x86_64-linux" } }""");
        },
        () => around,
        TimeProvider.System);

    /// <summary>Writes a file that is older than what reads it.</summary>
    private static void Write(string file, string text)
    {
        File.WriteAllText(file, text);
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddHours(-1));
    }
}
