using NixBuildFarm.Errors;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Store;

public class StoreFolderTests
{
    private static readonly StorePath Library = SampleDerivations.Library.Path;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_derivation_is_read_from_its_file()
    {
        using var folder = new TemporaryFolder();
        await File.WriteAllBytesAsync(folder[Library.BaseName], SampleDerivations.Library.ATerm, Cancellation);

        var derivation = await new StoreFolder(folder).ReadAsync(Library, Cancellation);

        Assert.Equal(SampleDerivations.Library.ATerm, DerivationWriter.Write(derivation));
    }

    [Fact]
    public async Task A_file_that_does_not_exist_is_named()
    {
        using var folder = new TemporaryFolder();

        var error = await FailureOf(folder);

        Assert.Equal("DerivationNotFound", error.Id);
        Assert.Contains(folder[Library.BaseName], error.Message);
        Assert.Contains("nix-instantiate", error.Recommendation);
    }

    [Fact]
    public async Task A_folder_that_does_not_exist_is_no_other_case()
    {
        using var folder = new TemporaryFolder();

        Assert.Equal("DerivationNotFound", (await FailureOf(folder["missing"])).Id);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Derive([(\"out\"")]
    [InlineData("#!/bin/sh")]
    public async Task A_file_that_does_not_parse_is_named_with_the_place(string content)
    {
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder[Library.BaseName], content, Cancellation);

        var error = await FailureOf(folder);

        Assert.Equal("DerivationMalformed", error.Id);
        Assert.Contains(folder[Library.BaseName], error.Message);
        Assert.Contains("at byte ", error.Message);
        Assert.Contains("nix-store --verify-path", error.Recommendation);
    }

    [Fact]
    public async Task A_file_beyond_the_limit_is_refused()
    {
        using var folder = new TemporaryFolder();
        await using (var file = File.Create(folder[Library.BaseName])) file.SetLength(20L * Derivation.MaxSize);

        Assert.Contains("more than", (await FailureOf(folder)).Message);
    }

    [Fact]
    public async Task A_path_that_is_no_file_is_unreadable()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder[Library.BaseName]);

        var error = await FailureOf(folder);

        Assert.Equal("DerivationUnreadable", error.Id);
        Assert.Contains(folder[Library.BaseName], error.Message);
    }

    private static Task<NixBuildFarmException> FailureOf(string folder) =>
        Assert.ThrowsAsync<NixBuildFarmException>(() => new StoreFolder(folder).ReadAsync(Library, Cancellation));
}
