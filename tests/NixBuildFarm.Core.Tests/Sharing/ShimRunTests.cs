using System.Security.Cryptography;
using System.Text;

namespace NixBuildFarm.Core.Tests.Sharing;

/// <summary>The shim as the builder of the derivation of one compile.</summary>
public sealed class ShimRunTests : IClassFixture<ShimProgram>, IDisposable
{
    private readonly ShimProgram shim;
    private readonly string top, outer, output;
    private readonly Dictionary<string, string> files = new() { ["main.cc"] = "int main() { }\n" };
    private string[] environment = ["LC_ALL=C"], arguments = ["-quiet", "main.cc", "-o", ""];
    private string folder, tool = "", script = "", name = "/called/as/cc1plus";
    private uint outputIndex = 3;
    private bool isTerminal;
    private byte[]? digest;

    public ShimRunTests(ShimProgram shim)
    {
        this.shim = shim;
        Assert.SkipWhen(shim.Problem is "gcc is not installed", "gcc is not installed");
        Assert.Null(shim.Problem);
        outer = Directory.CreateDirectory(Path.Combine(shim.Folder, $"outer-{Guid.NewGuid():N}")).FullName;
        top = Directory.CreateDirectory(Path.Combine(outer, "top")).FullName;
        folder = Path.Combine(top, "package", "source");
        output = Path.Combine(shim.Folder, "store", $"{Guid.NewGuid():N}-compile");
        tool = Directory.CreateDirectory(Path.Combine(shim.Folder, $"tool-{Guid.NewGuid():N}")).FullName + "/cc1plus";
    }

    public void Dispose()
    {
        Directory.Delete(outer, recursive: true);
        if (Directory.Exists(output)) Directory.Delete(output, recursive: true);
    }

    [Fact]
    public async Task A_compile_runs_where_it_ran_with_what_it_read_there()
    {
        files["../include/a.h"] = "a header\n";
        files[Path.Combine(folder, "deep/er/b.h")] = "b header\n";
        script = """echo "$0|$PWD|$LC_ALL|$*" > "$4"; cat main.cc ../include/a.h deep/er/b.h >> "$4"; echo warned >&2""";

        Assert.Equal("0", await RunAsync());

        Assert.Equal($"{tool}|{folder}|C|-quiet main.cc -o {output}/out\nint main() {{ }}\na header\nb header\n", Made("out"));
        Assert.Equal("warned\n", Made("err"));
        Assert.InRange(long.Parse(Made("time"), System.Globalization.CultureInfo.InvariantCulture), 0, 60_000_000);
    }

    [Fact]
    public async Task The_processor_time_of_the_compiler_is_told_and_not_that_of_reading()
    {
        script = """i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; : > "$4" """;

        Assert.Equal("0", await RunAsync());

        Assert.InRange(long.Parse(Made("time"), System.Globalization.CultureInfo.InvariantCulture), 1000, 600_000_000);
    }

    [Fact]
    public async Task An_exit_code_is_told_and_the_derivation_succeeds()
    {
        script = "echo wrong >&2; exit 1";

        Assert.Equal("1", await RunAsync());

        Assert.Equal("wrong\n", Made("err"));
        Assert.False(File.Exists(Path.Combine(output, "out")));
    }

    [Theory]
    [InlineData(false, "no\n")]
    [InlineData(true, "yes 0\n")]
    public async Task Messages_go_to_a_terminal_where_they_went_to_one(bool isTerminal, string said)
    {
        this.isTerminal = isTerminal;
        script = """: > "$4"; if [ -t 2 ]; then echo "yes $(stty size <&2 | cut -d' ' -f2)" >&2; else echo no >&2; fi""";

        Assert.Equal("0", await RunAsync());

        Assert.Equal(said, Made("err"));
    }

    [Fact]
    public async Task Another_text_is_refused()
    {
        digest = SHA256.HashData("another text"u8);
        script = ": > \"$4\"";

        Assert.Equal("200", await RunAsync());

        Assert.False(File.Exists(Path.Combine(output, "out")));
    }

    [Theory]
    [InlineData("../../outside.h")]
    [InlineData("../../../../outside.h")]
    [InlineData("/outside.h")]
    [InlineData("inner/../../../../outside.h")]
    [InlineData("../..")]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("inner/")]
    [InlineData("")]
    [InlineData("TOP")]
    [InlineData("TOP/../outside.h")]
    [InlineData("TOPping/outside.h")]
    [InlineData("TOP/../top/inside.h")]
    public async Task A_name_that_leaves_the_folder_of_the_build_is_refused(string name)
    {
        files[name.Replace("TOP", top, StringComparison.Ordinal)] = "outside\n";
        if (name is "../../outside.h") folder = Path.Combine(top, "package");
        script = ": > \"$4\"";

        Assert.Equal("200", await RunAsync());

        Assert.Equal([top], Directory.GetFileSystemEntries(outer));
    }

    [Theory]
    [InlineData("OUTER")]
    [InlineData("OUTER/elsewhere")]
    [InlineData("TOP/../elsewhere")]
    [InlineData("relative")]
    [InlineData("/")]
    [InlineData("")]
    public async Task A_folder_that_is_not_in_that_of_the_build_is_refused(string folder)
    {
        this.folder = folder.Replace("OUTER", outer, StringComparison.Ordinal).Replace("TOP", top, StringComparison.Ordinal);
        script = ": > \"$4\"";

        Assert.Equal("200", await RunAsync());

        Assert.Equal([top], Directory.GetFileSystemEntries(outer));
    }

    [Fact]
    public async Task A_file_may_have_several_names()
    {
        files["a.h"] = files["../source/a.h"] = files["x/../a.h"] = "the same\n";
        script = "cat a.h > \"$4\"";

        Assert.Equal("0", await RunAsync());

        Assert.Equal("the same\n", Made("out"));
    }

    [Fact]
    public async Task Names_that_were_two_files_and_would_be_one_are_refused()
    {
        files["a.h"] = "one\n";
        files["x/../a.h"] = "two\n";
        script = ": > \"$4\"";

        Assert.Equal("200", await RunAsync());
    }

    [Theory]
    [InlineData(": > further")]
    [InlineData(": > ../further")]
    [InlineData("mkdir further")]
    [InlineData(": > \"$4.dwo\"")]
    [InlineData("ln -s / further")]
    [InlineData("echo further")]
    [InlineData("rm main.cc")]
    [InlineData("kill -9 $$")]
    [InlineData("rm \"$4\"")]
    [InlineData("head -c 1000000 /dev/zero >&2")]
    public async Task A_compile_that_leaves_more_or_less_than_its_output_is_refused(string deed)
    {
        script = $": > \"$4\"; {deed}";

        Assert.Equal("200", await RunAsync());
    }

    [Fact]
    public async Task A_tool_of_another_name_is_refused()
    {
        name = "/called/as/cc1";
        script = ": > \"$4\"";

        Assert.Equal("200", await RunAsync());
    }

    [Fact]
    public async Task A_text_that_cannot_be_scanned_is_refused()
    {
        File.Delete(Path.Combine(shim.Folder, "text"));

        Assert.Equal("200", await RunAsync());
    }

    [Theory]
    [InlineData(4u)]
    [InlineData(0u)]
    [InlineData(uint.MaxValue)]
    public async Task An_output_that_is_none_of_the_arguments_is_no_manifest(uint index)
    {
        outputIndex = index;

        Assert.Equal(65, (await StartAsync(Manifest())).Code);
    }

    [Fact]
    public async Task A_manifest_that_is_cut_short_or_goes_on_is_refused()
    {
        script = ": > \"$4\"";
        var manifest = Manifest();
        for (var length = 0; length < manifest.Length; length += 7)
        {
            var end = await StartAsync(manifest[..length]);

            Assert.True(end.Code == 65 || Made("rc") == "200", $"{length} bytes: {end}");
            if (Directory.Exists(output)) Directory.Delete(output, recursive: true);
            if (Directory.Exists(Path.Combine(top, "package"))) Directory.Delete(Path.Combine(top, "package"), recursive: true);
        }
        Assert.Equal(0, (await StartAsync([.. manifest, 0])).Code);
        Assert.Equal("200", Made("rc"));
    }

    private async Task<string> RunAsync()
    {
        var end = await StartAsync(Manifest());
        Assert.True(end.Code == 0, end.ToString());
        return Made("rc");
    }

    private async Task<ShimEnd> StartAsync(byte[] manifest)
    {
        var path = Path.Combine(shim.Folder, "store", "manifest");
        await File.WriteAllBytesAsync(path, manifest, TestContext.Current.CancellationToken);
        shim.WriteScript(
            Path.GetRelativePath(shim.Folder, tool),
            $"""for argument; do [ "$argument" != -E ] || exec cat "{shim.Folder}/text"; done; {script}""");
        return await ShimProgram.EndAsync(
            shim.StartTrade("run", top, new Dictionary<string, string> { ["manifest"] = path, ["tool"] = tool, ["out"] = output }));
    }

    private byte[] Manifest()
    {
        const string text = "# 1 \"main.cc\"\n";
        if (script != "") shim.Text = text;
        var count = 0;
        return
        [
            .. ShimFrame.String(name), .. ShimFrame.String(folder), .. digest ?? SHA256.HashData(Encoding.ASCII.GetBytes(text)),
            .. ShimFrame.Number(isTerminal ? 1u : 0u),
            .. ShimFrame.Strings(environment), .. ShimFrame.Strings(arguments), .. ShimFrame.Number(outputIndex),
            .. ShimFrame.Number((uint)files.Count),
            .. files.SelectMany(
                file =>
                    (
                        byte[])[.. ShimFrame.String(file.Key), .. ShimFrame.String(Stored(count++, file.Value)), .. ShimFrame.Number(0),
                        .. ShimFrame.LongNumber(0)]),
        ];
    }

    private string Stored(int number, string content)
    {
        var path = Path.Combine(shim.Folder, "store", $"file-{number}");
        File.WriteAllText(path, content);
        return path;
    }

    private string Made(string name) => File.ReadAllText(Path.Combine(output, name));
}
