using System.Management.Automation;
using System.Text.Json.Nodes;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>Evaluation is as with <c>nix build</c>, with the builders of the run, and is seen while it goes on.</summary>
public sealed class EvaluationTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    private const string Named =
        """name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }""";

    [Theory]
    [InlineData("", "", "plain")]
    [InlineData("-Attribute inner.deep, other", "", "deep other")]
    [InlineData("-Argument @{ prefix = 'my-' } -Attribute other", "", "my-other")]
    public void An_expression_is_built_whole_or_by_attributes(string parameters, string prefix, string names)
    {
        var whole = parameters.Length == 0
            ? "(make \"plain\")"
            : "{ inner.deep = make (prefix + \"deep\"); other = make (prefix + \"other\"); }";

        var build = session.Run($$"""Get-NixBuilder ruby | Invoke-NixDistributedBuild -Expression '{ prefix ? "{{prefix}}" }: let make = {{Named}}; in {{whole}}' {{parameters}}""").Succeeded();

        Assert.Equal(names, string.Join(' ', build.Results.Select(r => r.Name).Order()));
    }

    [Fact]
    public void An_impure_expression_is_refused_unless_it_is_allowed()
    {
        Environment.SetEnvironmentVariable("NAME_OF_TEST", "from-environment");
        var script =
            $$"""Get-NixBuilder ruby | Invoke-NixDistributedBuild -Expression '({{Named}}) "is-${builtins.getEnv "NAME_OF_TEST"}"'""";

        Assert.Equal("is-", session.Run(script).Succeeded().Results.Single().Name);
        Assert.Equal("is-from-environment", session.Run($"{script} -Impure").Succeeded().Results.Single().Name);

        session.Write("file", """package "file" "echo > $out" [ ]""");
        var refused = session.Run("Invoke-NixDistributedBuild -Expression 'import ./file.nix'");
        Assert.Contains("Give -Impure", refused.Errors);
        Assert.Equal(
            "file", session.Run("Invoke-NixDistributedBuild -Expression 'import ./file.nix' -Impure").Succeeded().Results.Single().Name);
    }

    [Fact]
    public void Inputs_of_a_flake_are_replaced_and_settings_of_Nix_are_heeded()
    {
        foreach (var name in (string[])["first", "second"])
        {
            Directory.CreateDirectory(Path.Combine(session.Folder, name));
            File.WriteAllText(Path.Combine(session.Folder, name, "flake.nix"), $"{{ outputs = _: {{ name = \"{name}\"; }}; }}");
        }
        File.WriteAllText(Path.Combine(session.Folder, "flake.nix"), $$"""
            { inputs.names.url = "path:{{session.Folder}}/first"; outputs = { self, names }: { packages.x86_64-linux.default = ({{Named}}) names.name; }; }
            """);

        Assert.Equal("first", session.Run("Invoke-NixDistributedBuild path:.").Succeeded().Results.Single().Name);
        Assert.Equal(
            "second",
            session.Run($"Invoke-NixDistributedBuild path:. -OverrideInput @{{ names = 'path:{session.Folder}/second' }}")
                .Succeeded()
                .Results.Single()
                .Name);
        session.Write("plain", """package "plain" (sleep 0) [ ]""");
        // A setting that is about evaluation, one that Nix does not know, and one that is said in another way.
        Assert.Contains(
            "restricted mode",
            session.Run("Invoke-NixDistributedBuild -Expression 'import /etc/hosts' -Impure -Option @{ 'restrict-eval' = $true }").Errors);
        Assert.Contains(
            "unknown setting 'no-such-setting'",
            session.Run("Invoke-NixDistributedBuild -Path plain.nix -Option @{ 'no-such-setting' = 1 }").Succeeded().Script.Warnings);
        Assert.Contains("SettingNotForOption", session.Run("Invoke-NixDistributedBuild path:. -Option @{ cores = 2 }").Errors);
    }

    [Fact]
    [EveryNix("Lock files, inputs and registries of flakes")]
    public void Lock_files_are_written_kept_or_final_and_registries_need_no_network()
    {
        foreach (var name in (string[])["first", "second"])
        {
            Directory.CreateDirectory(Path.Combine(session.Folder, name));
            File.WriteAllText(Path.Combine(session.Folder, name, "flake.nix"), $$"""
                { outputs = _: { name = "{{name}}"; packages.x86_64-linux.default = ({{Named}}) "default-of-{{name}}"; }; }
                """);
        }
        var (flake, lockFile) = (Directory.CreateDirectory(Path.Combine(session.Folder, "flake")).FullName, "flake/flake.lock");
        File.WriteAllText(Path.Combine(flake, "flake.nix"), $$"""
            { inputs.names.url = "path:{{session.Folder}}/first"; outputs = { self, names }: { packages.x86_64-linux.default = ({{Named}}) names.name; }; }
            """);
        File.WriteAllText(Path.Combine(session.Folder, "registry.json"), $$"""
            { "version": 2, "flakes": [ { "from": { "type": "indirect", "id": "mine" }, "to": { "type": "path", "path": "{{session.Folder}}/second" } } ] }
            """);

        var notLocked = Test("path:./flake -LockFile Fixed");
        Assert.Contains("leave out -LockFile Fixed", notLocked.Errors);
        Assert.Equal("first", NameOf(Test("path:./flake -LockFile Keep")));
        Assert.False(Exists(lockFile));
        Assert.Equal("second", NameOf(Test($"path:./flake -OverrideInput @{{ names = 'path:{session.Folder}/second' }}")));
        Assert.False(Exists(lockFile));
        Assert.Equal("first", NameOf(Test("path:./flake")));
        Assert.True(Exists(lockFile));
        Assert.Equal("first", NameOf(Test("path:./flake -LockFile Fixed")));

        Assert.Equal("default-of-second", NameOf(Test("mine -Option @{ 'flake-registry' = \"$PWD/registry.json\" }")));
        var noNetwork = Test("nixpkgs#hello -Option @{ 'flake-registry' = 'http://10.77.0.1:9/registry.json'; 'download-attempts' = 1 }");
        Assert.Contains("Without a network, name a registry on this machine", noNetwork.Errors);

        BuildOutput Test(string flake) => session.Run($"Test-NixBuilderPolicy {flake} -Builder ruby");
        bool Exists(string file) => File.Exists(Path.Combine(session.Folder, file));
        static string NameOf(BuildOutput test)
        {
            Assert.Equal("", test.Errors);
            return $"{test.Script.Output.Single().Properties["Derivation"].Value}";
        }
    }

    [Fact]
    [EveryNix("Flakes in a Git repository")]
    public async Task A_flake_in_a_Git_repository_has_what_Git_tracks()
    {
        await farm.Coordinator.ExecAsync("git", "init", "-q", session.Folder);
        File.WriteAllText(Path.Combine(session.Folder, "name.nix"), "\"tracked\"");
        File.WriteAllText(Path.Combine(session.Folder, "flake.nix"), $$"""
            { outputs = _: { packages.x86_64-linux.default = ({{Named}}) (import ./name.nix); }; }
            """);
        await farm.Coordinator.ExecAsync("git", "-C", session.Folder, "add", "flake.nix");

        var untracked = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild .");
        await farm.Coordinator.ExecAsync("git", "-C", session.Folder, "add", "name.nix");
        var tracked = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild .").Succeeded();

        Assert.Contains("name.nix", untracked.Errors);
        Assert.Empty(untracked.Results);
        Assert.Equal("tracked", Assert.Single(tracked.Results).Name);
    }

    [Fact]
    public void A_setting_about_builds_reaches_the_builders()
    {
        session.Write(
            "printing",
            """package "printing" "i=0; while [ $i -lt 100 ]; do echo a line that is long enough; i=$((i+1)); done; echo > $out" [ ]""");

        var limited =
            session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path printing.nix -Option @{ 'max-build-log-size' = 200 }");

        Assert.NotEqual("Built", limited["printing"].Status);
        Assert.Equal("Built", session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path printing.nix")["printing"].Status);
    }

    [Fact]
    public async Task Nixs_output_is_seen_while_it_evaluates_and_the_time_counts()
    {
        await farm.Coordinator.ExecAsync("git", "init", "-q", session.Folder);
        File.WriteAllText(Path.Combine(session.Folder, "flake.nix"), $$"""
            { outputs = _: let
                busy = n: if n == 0 then 0 else busy (n - 1);
                wait = builtins.foldl' (a: b: a + b) 0 (builtins.genList (i: busy 1000) 3000);
              in { packages.x86_64-linux.default = builtins.trace "looked\nat" (builtins.seq wait (({{Named}}) "slow")); }; }
            """);
        await farm.Coordinator.ExecAsync("git", "-C", session.Folder, "add", "flake.nix");

        var build =
            session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild . ; $run = Get-NixBuild -Last 1; $run.Duration.TotalSeconds; "
                + "Export-NixBuildReport report.json");

        Assert.Equal("", build.Errors);
        Assert.Contains(
            build.Script.Warnings, warning => warning.Contains("Git tree") && warning.EndsWith("is dirty", StringComparison.Ordinal));
        Assert.Contains(
            build.Script.Information,
            record => record.Tags.Contains("NixEvaluation") && record.MessageData.ToString() == "trace: looked\nat");
        var progress = build.Script.Progress.Where(record => record.Activity.StartsWith("Evaluating", StringComparison.Ordinal)).ToArray();
        Assert.Equal(ProgressRecordType.Completed, progress[^1].RecordType);
        var (duration, evaluation) = (
            (double)build.Script.Output.Single(o => o.BaseObject is double).BaseObject,
            JsonNode.Parse(File.ReadAllText(Path.Combine(session.Folder, "report.json")))!["evaluationSeconds"]!.GetValue<double>());
        Assert.InRange(evaluation, 0.3, duration);
    }

    [Fact]
    public async Task An_output_that_an_evaluation_reads_is_built_on_the_builders_of_the_run()
    {
        await using var opal = await farm.AddAsync("opal", "--slots", "2", "--conf", "extra-platforms = riscv64-linux");
        session.Write("reads", """
            let generated = attrs { system = "riscv64-linux"; } "generated" "echo 5 > $out" [ ];
            in attrs { system = "riscv64-linux"; } "top-${toString (import generated)}" "echo > $out" [ ]
            """);
        var line = File.ReadLines("/etc/nix/machines").Single(entry => entry.Contains("@opal ", StringComparison.Ordinal));
        File.WriteAllText(
            Path.Combine(session.Folder, "list"), line.Replace("x86_64-linux", "x86_64-linux,riscv64-linux", StringComparison.Ordinal));

        var build = session.Run("Get-NixBuilder -Path list opal | Invoke-NixDistributedBuild -Path reads.nix -Verbose");

        Assert.Equal(("Built", "opal"), (build.Succeeded()["top-5"].Status, build["top-5"].Builder));
    }
}
