using NixBuildFarm.Farm.Tests.Faults;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>What goes wrong is told once, clearly, and costs no more than it must.</summary>
public sealed class FailureTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    [EveryNix("Failures, with the end of the log")]
    public void A_failed_build_is_told_with_the_end_of_its_log()
    {
        session.Write("broken", """package "top" "cat $inputs" [ (package "broken" "echo first; echo the reason >&2; exit 3" [ ]) ]""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path broken.nix");

        Assert.Equal(("Failed", "ruby"), (build["broken"].Status, build["broken"].Builder));
        Assert.Equal("DependencyFailed", build["top"].Status);
        var error = Assert.Single(build.Script.Errors);
        Assert.StartsWith("BuildFailed,", error.FullyQualifiedErrorId);
        // Of a message, PowerShell makes one paragraph in scripts; of a recommendation it does not.
        Assert.DoesNotContain('\n', error.ErrorDetails.Message);
        Assert.Contains("exit code 3", error.ToString());
        Assert.DoesNotContain("nix log", error.ToString());
        Assert.EndsWith("\n  The last 2 lines that it printed on ruby:\n  > first\n  > the reason", error.ErrorDetails.RecommendedAction);
        Assert.EndsWith("\n  > first\n  > the reason", error.Exception.Message);
        Assert.Contains("Get-NixBuildLog broken -Run ", error.ErrorDetails.RecommendedAction);
        Assert.Contains(build["broken"].LogPath!, error.ErrorDetails.RecommendedAction);
        Assert.Equal(["first", "the reason"], File.ReadLines(build["broken"].LogPath!));
        Assert.Empty(build["broken"].Attempts);
    }

    [Theory]
    [InlineData("$results")]
    [InlineData("[Management.Automation.PSSerializer]::Deserialize([Management.Automation.PSSerializer]::Serialize($results, 2))")]
    public void A_failed_result_is_retried_by_pipeline_and_others_are_not(string results)
    {
        session.Write("flaky", """[ (package "flaky" "test -e /tmp/flaky-may-go; echo > $out" [ ]) (package "fine" (sleep 0) [ ]) (package "bad" "echo the log; exit 1" [ ]) ]""");
        var first = session.Run("$results = Get-NixBuilder local | Invoke-NixDistributedBuild -Path flaky.nix -KeepGoing; $results");
        Assert.Equal(("Failed", "Built", "Failed"), (first["flaky"].Status, first["fine"].Status, first["bad"].Status));
        File.WriteAllText("/tmp/flaky-may-go", "");

        var again =
            session.Run($"& {{ {results} | Where-Object Status -eq Failed; Get-NixBuilder local }} | Invoke-NixDistributedBuild "
                + "-KeepGoing");

        File.Delete("/tmp/flaky-may-go");
        Assert.Equal(
            ["bad Failed local", "flaky Built local"],
            again.Results.Select(result => $"{result.Name} {result.Status} {result.Builder}").Order());
        Assert.Equal(["the log"], session.Run($"{results} | Where-Object Name -eq bad | Get-NixBuildLog").Script.OutputAs<string>());
        Assert.Empty(session.Run($"{results} | Where-Object Status -eq TimedOut | Invoke-NixDistributedBuild").Results);
    }

    [Fact]
    public void With_KeepGoing_the_rest_is_built_without_it_the_rest_is_cancelled()
    {
        session.Write("some", """
            [ (package "bad" "exit 1" [ ]) (package "good" "cat $inputs > $out" [ (package "slow" (sleep 1.5) [ ]) ]) ]
            """);

        var stopped = session.Run("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path some.nix");
        var whole = session.Run("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path some.nix -KeepGoing");

        Assert.Equal(("Failed", "Cancelled", "Cancelled"), (stopped["bad"].Status, stopped["slow"].Status, stopped["good"].Status));
        Assert.Equal(("Failed", "Built", "Built"), (whole["bad"].Status, whole["slow"].Status, whole["good"].Status));
    }

    [Fact]
    public void A_derivation_that_no_builder_may_build_is_reported_with_the_reason_of_each()
    {
        session.Write("kvm", """attrs { requiredSystemFeatures = [ "kvm" ]; } "vm" (sleep 0) [ ]""");

        var build = session.Run("Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path kvm.nix");

        Assert.Equal("NoEligibleBuilder", build["vm"].Status);
        Assert.Contains("ruby, kana: it lacks the required feature kvm", build.Errors);
    }

    [Fact]
    [EveryNix("Time limits of builds")]
    public void A_build_that_is_silent_for_too_long_is_ended()
    {
        session.Write("silent", """package "silent" "echo here; sleep 60" [ ]""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path silent.nix -MaxSilentTime 00:00:01");

        Assert.Equal("TimedOut", build["silent"].Status);
        Assert.Contains("BuildTimedOut", build.Errors);
    }

    [Theory]
    [InlineData("-MaxSilentTime", "0")]
    [InlineData("-MaxSilentTime", "-00:00:05")]
    [InlineData("-Timeout", "00:00:00.5")]
    [InlineData("-Timeout", "1000000.00:00:00")]
    public void A_limit_that_is_none_is_refused(string parameter, string value)
    {
        var build = session.Run($"Invoke-NixDistributedBuild -Path missing.nix {parameter} {value}");

        Assert.Contains("ParameterArgumentValidationError", build.Errors);
        Assert.Contains("between one second and 365 days", build.Errors);
    }

    [Theory]
    [InlineData("Invoke-NixDistributedBuild -Path missing.nix", "NixFailed", "missing.nix")]
    [InlineData("Invoke-NixDistributedBuild -Path bad.nix -Attribute typo", "NixFailed", "oops")]
    [InlineData("Invoke-NixDistributedBuild -Path bad.nix -Attribute absent", "NixFailed", "absent")]
    [InlineData("Invoke-NixDistributedBuild -Path bad.nix -Attribute number", "NixFailed", "does not evaluate to a derivation")]
    [InlineData("Invoke-NixDistributedBuild -Installable path:./nowhere#top", "NixFailed", "nowhere")]
    [InlineData("Invoke-NixDistributedBuild -Installable --help", "NixFailed", "--help")]
    [InlineData(
        "Invoke-NixDistributedBuild -DerivationPath /nix/store/00000000000000000000000000000000-gone.drv",
        "DerivationNotFound",
        "gone.drv")]
    [InlineData("Invoke-NixDistributedBuild -DerivationPath /etc/passwd", "MalformedDerivationPath", "/etc/passwd")]
    [InlineData("Invoke-NixDistributedBuild -Path bad.nix -Attribute fine -Builder nobody", "NoBuilder", "No builder is left")]
    [InlineData("Invoke-NixDistributedBuild -Path bad.nix -Attribute fine -Builder 42", "InvalidBuilder", "42")]
    [InlineData("Get-NixBuilder no* | Invoke-NixDistributedBuild -Path bad.nix -Attribute fine", "NoBuilder", "pipeline")]
    public void Bad_input_ends_the_command_with_one_error(string command, string id, string says)
    {
        session.Write("bad", """{ typo = derivation { name = throw "oops"; }; number = 42; fine = package "fine" (sleep 0) [ ]; }""");

        var build = session.Run(command);

        Assert.Empty(build.Results);
        var error = build.Script.Errors[^1];
        Assert.StartsWith(id + ",", error.FullyQualifiedErrorId);
        Assert.Contains(says, error.ToString());
        Assert.DoesNotContain(" at NixBuildFarm.", build.Errors);
    }

    [Fact]
    public async Task A_derivation_that_does_not_parse_is_named()
    {
        const string Path = "/nix/store/00000000000000000000000000000000-rubbish.drv";
        await File.WriteAllTextAsync(Path, "rubbish");

        var build = session.Run($"Invoke-NixDistributedBuild -DerivationPath {Path}");

        File.Delete(Path);
        Assert.StartsWith("DerivationMalformed,", Assert.Single(build.Script.Errors).FullyQualifiedErrorId);
        Assert.Contains(Path, build.Errors);
    }

    [Fact]
    [EveryNix("Builders that refuse, fail or are lost")]
    public async Task What_a_builder_refuses_although_it_is_said_to_build_such_is_built_elsewhere()
    {
        session.Write("gem", """attrs { requiredSystemFeatures = [ "gem" ]; } "gem" (sleep 0) [ ]""");
        await using var opal = await farm.AddAsync("opal", "--features", "gem", "--conf", "system-features = gem");

        // The local machine, whose Nix has no such feature, is there first, and the fastest.
        var build = session.Run("""
            Set-NixBuilderPolicy local -Feature gem -SpeedFactor 100
            Get-NixBuilder local, opal | Invoke-NixDistributedBuild -Path gem.nix
            """);

        Assert.Equal("", build.Errors);
        Assert.Equal(("Built", "opal"), (build["gem"].Status, build["gem"].Builder));
        Assert.StartsWith("local: ", Assert.Single(build["gem"].Attempts));
    }

    [Fact]
    public async Task A_lost_builder_is_reported_once_and_the_others_build()
    {
        session.Write("wide", """package "root" "echo > $out" (many 8 (i: package "leaf${toString i}" (sleep 0.1) [ ]))""");
        await using var stopped = await farm.Ruby.InflictAsync(Fault.SshdStopped);

        var build = session.Run("Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path wide.nix");

        Assert.All(build.Results, r => Assert.True(r.Success, r.ToString()));
        Assert.Equal(["kana"], build.BuildersUsed);
        Assert.Equal("", build.Errors);
        Assert.Contains("ruby", Assert.Single(build.Script.Warnings));
    }

    [Fact]
    [EveryNix("Builders that refuse, fail or are lost")]
    public async Task A_builder_that_is_lost_in_the_middle_costs_its_running_builds_only()
    {
        session.Write(
            "wide", """package "root" "echo > $out" (many 12 (i: package "leaf${toString i}" "${held}echo $name > $out" [ ]))""");
        using var running = session.Start("Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path wide.nix -CopyBack Requested");
        await FaultyRun.UntilBuilding(farm.Ruby, session.Mark)();

        await using var killed = await farm.Ruby.InflictAsync(Fault.SshdKilled);
        await session.ReleaseAsync(farm.Ruby, farm.Kana);

        var build = new BuildOutput(running.Wait(Until.Limit));
        Assert.All(build.Results, r => Assert.True(r.Success, r.ToString()));
        Assert.Equal(13, build.Results.Select(r => r.Name).Distinct().Count());
        Assert.Contains(build.Results, r => r.Attempts.Any(a => a.StartsWith("ruby: ", StringComparison.Ordinal)));
        Assert.True(Path.Exists(build["root"].Output));
        Assert.Equal("", build.Errors);
        Assert.Contains("It was building leaf", build.Warnings);
    }

    [Fact]
    public async Task A_builder_with_another_host_key_is_refused_with_both_fingerprints()
    {
        await using var changed = await farm.Ruby.InflictAsync(Fault.HostKeyChanged);

        var build = await BuildOnKanaOnceWarnedAsync("ruby");

        Assert.Equal("kana", build["one"].Builder);
        Assert.Contains("host key", build.Warnings);
        Assert.Equal(2, build.Warnings.Split("SHA256:").Select(part => part.Split(' ', '.', ',', ')')[0]).Skip(1).Distinct().Count());
    }

    [Fact]
    public async Task A_builder_without_Nix_is_reported_with_what_it_printed()
    {
        await using var bare = await farm.AddAsync("opal");
        await bare.ExecAsync("bash", "-c", "mv /usr/bin/nix-daemon /usr/bin/no-nix-daemon");

        var build = await BuildOnKanaOnceWarnedAsync("opal");

        Assert.Equal("kana", build["one"].Builder);
        Assert.Contains("Install Nix there", build.Warnings);
        Assert.Contains("not found", build.Warnings);
    }

    [Fact]
    public async Task A_builder_that_greets_before_the_protocol_is_told_with_the_greeting()
    {
        await using var chatty = await farm.AddAsync("opal");
        await chatty.ExecAsync("bash", "-c", "echo 'echo Welcome to opal' > /root/.bashrc");

        var build = await BuildOnKanaOnceWarnedAsync("opal");

        Assert.Equal("kana", build["one"].Builder);
        Assert.Equal("", build.Errors);
        Assert.Contains("Welcome to opal", build.Warnings);
    }

    [Fact]
    public async Task A_builder_that_refuses_the_key_is_reported()
    {
        await using var closed = await farm.AddAsync("opal", "--sshd", "AllowUsers nobody");

        var build = await BuildOnKanaOnceWarnedAsync("opal");

        Assert.Equal("kana", build["one"].Builder);
        Assert.Equal("", build.Errors);
        Assert.Contains("refuses to let", build.Warnings);
    }

    /// <summary>
    /// Builds on kana, which ends no sooner than a warning tells of another builder: one that is late would be left behind.
    /// </summary>
    private async Task<BuildOutput> BuildOnKanaOnceWarnedAsync(string of)
    {
        session.Write("one", """package "one" "${held}echo > $out" [ ]""");
        using var running = session.Start($"Get-NixBuilder {of}, kana | Invoke-NixDistributedBuild -Path one.nix");
        await Until.TrueAsync(
            () => running.Streams.Warning.Any(said => said.Message.Contains(of, StringComparison.Ordinal)),
            $"a warning tells of {of}");
        await session.ReleaseAsync(farm.Kana);
        return new(running.Wait(Until.Limit));
    }
}
