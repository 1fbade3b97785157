using CsCheck;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Channels;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Tests;

public class RemoteCommandTests
{
    [Theory]
    [InlineData("nix-daemon", "nix-daemon")]
    [InlineData("/nix/var/nix/profiles/default/bin/nix-daemon", "/nix/var/nix/profiles/default/bin/nix-daemon")]
    [InlineData("", "''")]
    [InlineData("two words", "'two words'")]
    [InlineData("$(reboot)", "'$(reboot)'")]
    [InlineData("it's", @"'it'\''s'")]
    [InlineData(@"back\slash", @"'back'\\'slash'")]
    [InlineData("~", "'~'")]
    [InlineData("=ls", "'=ls'")]
    public void A_word_is_quoted_where_a_shell_would_read_more_into_it(string word, string quoted) =>
        Assert.Equal(quoted, RemoteCommand.Quote(word));

    [Fact]
    public void Any_words_come_out_of_a_shell_as_they_went_in()
    {
        var word = Gen.Char[' ', '~'].Array[0, 12].Select(c => new string(c));

        word.Array[1, 8].Sample(
            words =>
            {
                var printed = SshServer.Run("sh", "-c", "printf '%s\\n' " + string.Join(' ', words.Select(RemoteCommand.Quote)));
                Assert.Equal(string.Join('\n', words) + "\n", printed);
            },
            iter: 50,
            threads: 1);
    }

    [Fact]
    public void A_program_of_the_store_is_run_with_its_one_word() => Assert.Equal(
        "/nix/store/00000000000000000000000000000000-shim broker",
        RemoteCommand.For(new(StorePath.Parse("/nix/store/00000000000000000000000000000000-shim"), "broker")));

    [Theory]
    [InlineData("")]
    [InlineData("broker; reboot")]
    [InlineData("--help")]
    [InlineData("$(x)")]
    public void A_program_of_the_store_gets_no_other_argument_than_a_plain_word(string word) =>
        Assert.Throws<ArgumentException>(() => new StoreProgram(StorePath.Parse("/nix/store/00000000000000000000000000000000-shim"), word));

    [Fact]
    public void A_builder_runs_nix_daemon() =>
        Assert.Equal("nix-daemon --stdio", RemoteCommand.For(Builder([], store: null), ChannelUse.Build));

    [Fact]
    public void A_builders_remote_program_and_store_are_passed_on_as_Nix_does() =>
        Assert.Equal(
            "sudo /run/current-system/sw/bin/nix-daemon --stdio --store '/mnt/a b'",
            RemoteCommand.For(Builder(["sudo", "/run/current-system/sw/bin/nix-daemon"], "/mnt/a b"), ChannelUse.Build));

    [Theory]
    [InlineData("nix-store", "nix-daemon --stdio")]
    [InlineData("/run/current-system/sw/bin/nix-store", "/run/current-system/sw/bin/nix-daemon --stdio")]
    [InlineData("/opt/my-nix-store", "/opt/my-nix-store --stdio")]
    public void A_remote_program_that_is_a_nix_store_stands_for_the_daemon_beside_it(string program, string command) =>
        Assert.Equal(command, RemoteCommand.For(Builder([program], store: null), ChannelUse.Build));

    [Fact]
    public void A_daemon_that_would_keep_settings_to_itself_connects_anew_for_each_request() =>
        Assert.Equal(
            "nix-daemon --stdio --store 'auto?max-connection-age=0'",
            RemoteCommand.For(Builder([], store: null), ChannelUse.PassedOnBuild));

    [Fact]
    public void Closures_are_asked_of_the_nix_store_that_is_beside_the_daemon()
    {
        Assert.Equal("nix-store --serve", RemoteCommand.For(Builder([], store: null), ChannelUse.Closure));
        Assert.Equal(
            "sudo /run/current-system/sw/bin/nix-store --serve --store /mnt",
            RemoteCommand.For(Builder(["sudo", "/run/current-system/sw/bin/nix-daemon"], "/mnt"), ChannelUse.Closure));
    }

    [Fact]
    public void No_nix_store_is_guessed_for_a_program_other_than_the_daemon() =>
        Assert.Throws<BuilderException>(() => RemoteCommand.For(Builder(["/opt/my-nix-daemon"], store: null), ChannelUse.Closure));

    [Fact]
    public void A_shell_understands_the_question_about_the_machine()
    {
        var answer = SshServer.Run("sh", "-c", RemoteCommand.For(Builder([], store: null), ChannelUse.Machine));

        Assert.Contains($"cores {Environment.ProcessorCount}\n", answer);
    }

    [Fact]
    public void A_shell_answers_each_line_with_what_the_machine_has()
    {
        var command = RemoteCommand.For(Builder([], store: null), ChannelUse.Live);

        var answer = SshServer.Run("sh", "-c", $"printf '\\n\\n' | {command}");

        Assert.Equal(2, answer.Split('\n').Count(line => line == $"cores {Environment.ProcessorCount}"));
        Assert.Equal(2, answer.Split('\n').Count(line => line == "end"));
    }

    [Fact]
    public void Every_login_shell_passes_the_scripts_on_unchanged()
    {
        string[] scripts = [BuilderMachine.Question, MachineReading.Question];

        Assert.All(scripts, script => Assert.DoesNotContain(script, letter => letter is '\'' or '\\' or '\n' or '!'));
    }

    [Theory]
    [InlineData(ChannelUse.Slots)]
    [InlineData(ChannelUse.SlotHolders)]
    public void The_scripts_for_slots_need_nothing_of_a_login_shell_but_single_quotes(ChannelUse use)
    {
        var command = RemoteCommand.For(Builder([], store: null), use);

        Assert.Equal($"sh -c '{ShellScript.Of(use)}'", command);
        Assert.Equal(ShellScript.Of(use), SshServer.Run("sh", "-c", $"echo {command["sh -c ".Length..]}").TrimEnd('\n'));
    }

    [Theory]
    [InlineData("nix\ndaemon")]
    [InlineData("nix\0daemon")]
    public void Control_characters_are_refused(string word)
    {
        var error = Assert.Throws<BuilderException>(() => RemoteCommand.For(Builder([word], store: null), ChannelUse.Build));

        Assert.Equal(BuilderFailure.Configuration, error.Failure);
        Assert.Contains("control characters", error.Message);
    }

    private static NixBuilder Builder(IReadOnlyList<string> program, string? store) => new()
    {
        Name = "ruby",
        HostName = "ruby",
        Uri = "ssh-ng://ruby",
        Systems = ["x86_64-linux"],
        RemoteProgram = program,
        RemoteStore = store,
        Source = "/etc/nix/machines line 1",
    };
}
