using System.Management.Automation;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>What the Tab key offers of files and flakes, by Nix's own evaluation.</summary>
public sealed class CompletionTests : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Theory]
    [InlineData("", "hello nested zlib")]
    [InlineData("he", "hello")]
    [InlineData("nested.", "nested.inner nested.other")]
    [InlineData("nested.in", "nested.inner")]
    [InlineData("hello.", "")]
    [InlineData("no.such.", "")]
    public void Attributes_of_the_file_are_offered_step_by_step(string word, string expected)
    {
        session.Write("some", """{ unused ? 1 }: { hello = package "hello" "" [ ]; zlib = throw "not looked at"; nested = { inner = 1; other = 2; "with.dot" = 3; }; }""");

        Assert.Equal(
            expected,
            string.Join(
                ' ', Offered($"Invoke-NixDistributedBuild -Path some.nix -Attribute {word}").Select(offer => offer.CompletionText)));
    }

    [Fact]
    public void A_file_that_changes_is_looked_at_again_and_one_that_does_not_evaluate_offers_nothing()
    {
        session.Write("some", "{ first = 1; }");
        Assert.Equal(["first"], Offered("Invoke-NixDistributedBuild -Path some.nix -Attribute f").Select(offer => offer.CompletionText));

        session.Write("some", "{ fine = 1; }");
        Assert.Equal(["fine"], Offered("Invoke-NixDistributedBuild -Path some.nix -Attribute f").Select(offer => offer.CompletionText));

        session.Write("some", "{ fi");
        Assert.DoesNotContain(
            Offered("Invoke-NixDistributedBuild -Path some.nix -Attribute f"),
            offer => offer.CompletionText.StartsWith("fi", StringComparison.Ordinal));
    }

    [Fact]
    public void Outputs_of_a_flake_are_offered()
    {
        Directory.CreateDirectory(Path.Combine(session.Folder, "flake"));
        File.WriteAllText(Path.Combine(session.Folder, "flake", "flake.nix"), """
            { outputs = _: { packages.x86_64-linux = { hello = derivation { name = "hello"; system = "x86_64-linux"; builder = "/bin/sh"; }; help = 1; zlib = 2; }; }; }
            """);

        var offered = Offered("Invoke-NixDistributedBuild path:./flake#hel");

        Assert.Equal(["hello", "help"], offered.Select(offer => offer.ToolTip.Split(' ')[0]).Order());
        Assert.All(offered, offer => Assert.StartsWith("'path:./flake#hel", offer.CompletionText));
    }

    private CompletionResult[] Offered(string line) =>
        [.. session.Run($"(TabExpansion2 '{line}' {line.Length}).CompletionMatches").Script.OutputAs<CompletionResult>()
        .Where(offer => offer.ResultType == CompletionResultType.ParameterValue)];
}
