using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace NixBuildFarm.Core.Tests.Sharing;

/// <summary>The shim in the place of a compiler: what it sends away, and that everything else is compiled by the original.</summary>
public sealed class ShimCompileTests : IClassFixture<ShimProgram>
{
    private static readonly string[] Compile = ["-quiet", "main.cc", "-quiet", "-dumpbase", "main.cc", "-O2", "-g", "-o", "main.s"];
    private readonly ShimProgram shim;

    public ShimCompileTests(ShimProgram shim)
    {
        this.shim = shim;
        Assert.SkipWhen(shim.Problem is "gcc is not installed", "gcc is not installed");
        Assert.Null(shim.Problem);
        Write("main.cc", "int main() { }\n");
        shim.Text = "# 0 \"main.cc\"\n# 1 \"main.cc\"\nint main() { }\n";
        File.Delete(Path.Combine(shim.Work, "main.s"));
    }

    [Fact]
    public async Task Without_a_broker_the_original_compiles_with_the_same_arguments()
    {
        shim.Listen().Dispose();

        var end = await ShimProgram.EndAsync(shim.StartTool(Compile));

        Assert.Equal($"{ShimProgram.Original}: {string.Join(' ', Compile)}\n", end.Error);
        Assert.Equal(ShimProgram.OriginalCode, end.Code);
    }

    [Fact]
    public async Task It_asks_and_compiles_at_home_when_it_is_told_to_and_the_end_of_that_closes_the_connection()
    {
        using var conversation = ShimConversation.Begin(shim, Compile);

        Assert.Equal(("cc1plus", "main.cc", ""), await conversation.HelloAsync());
        await conversation.SendAsync(ShimFrame.Local);

        Assert.Null(await conversation.ReadAsync());
        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    [Fact]
    public async Task A_unit_is_described_with_all_that_it_hangs_on()
    {
        Directory.CreateDirectory(Path.Combine(shim.Work, "inc"));
        Write("inc/a.h", "a header\n");
        var store = Path.Combine(shim.Folder, "store", "0123-headers");
        shim.Text =
            $"# 0 \"main.cc\"\n# 0 \"<built-in>\"\n# 1 \"{shim.Work}//\"\n# 1 \"main.cc\"\n# 1 \"inc/a.h\" 1\n# 1 \"{store}/include/b.h\" "
                + $"1 3\n# 1 \"{store}/c.h\" 1\n# 2 \"main.cc\" 2\n";
        string[] arguments =
        [
            "-quiet", "-I", "inc", "-MD", "main.d", "-MF", "x.d", "-MP", "-MT", "main.o", "main.cc", "-o", "main.s", "-frandom-seed=a/b",
        ];
        var environment = new Dictionary<string, string>
        {
            ["LC_ALL"] = "C.UTF-8",
            ["HOME"] = "/nowhere",
            ["GCC_COLORS"] = "error=01",
            ["PWD"] = shim.Work,
        };
        using var conversation = ShimConversation.Begin(shim, arguments, environment);
        await conversation.HelloAsync();

        var unit = new ShimFields(await conversation.DescriptionAsync());

        Assert.Equal(Path.Combine(shim.Folder, "bin/cc1plus"), unit.String());
        Assert.Equal(shim.Work, unit.String());
        Assert.Equal(SHA256.HashData(File.ReadAllBytes(Path.Combine(shim.Folder, "text"))), unit.Bytes(32));
        Assert.Equal(0u, unit.Number());
        Assert.Equal(["GCC_COLORS=error=01", "LC_ALL=C.UTF-8", $"PWD={shim.Work}"], unit.Strings().Order(StringComparer.Ordinal));
        Assert.Equal(["-quiet", "-I", "inc", "main.cc", "-o", "", "-frandom-seed=a/b"], unit.Strings());
        Assert.Equal(5u, unit.Number());
        Assert.Equal([store], unit.Strings());
        Assert.Equal(2u, unit.Number());
        foreach (var name in new[] { "main.cc", "inc/a.h" })
        {
            var content = File.ReadAllBytes(Path.Combine(shim.Work, name));
            Assert.Equal(name, unit.String());
            Assert.Equal((ulong)content.Length, unit.LongNumber());
            Assert.Equal(SHA256.HashData(content), unit.Bytes(32));
            Assert.Equal((0u, 0ul), (unit.Number(), unit.LongNumber()));
        }
        Assert.True(unit.IsAtEnd);
        conversation.Close();
        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    /// <summary>The vectors of FIPS 180-4, and lengths about the size of a block.</summary>
    public static TheoryData<string, int, string> Vectors => new()
    {
        { "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        {
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            1,
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        },
        {
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            1,
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        },
        { "a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public async Task Files_have_the_digest_that_the_standard_gives(string text, int times, string digest)
    {
        Write("main.cc", string.Concat(Enumerable.Repeat(text, times)));

        Assert.Equal(digest, Convert.ToHexStringLower((await FilesAsync())["main.cc"]));
    }

    [Fact]
    public async Task Files_of_every_length_have_the_right_digest()
    {
        var text = new StringBuilder();
        foreach (var length in Enumerable.Range(50, 100))
        {
            Write($"{length}.h", new string('x', length));
            text.Append($"# 1 \"{length}.h\"\n");
        }
        shim.Text = text.ToString();

        foreach (var (name, digest) in await FilesAsync())
        {
            Assert.Equal(SHA256.HashData(File.ReadAllBytes(Path.Combine(shim.Work, name))), digest);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(64 * 1024 - 8)]
    [InlineData(64 * 1024 - 7)]
    [InlineData(1_000_000)]
    public async Task Contents_come_in_chunks(int length)
    {
        var content = string.Concat(Enumerable.Range(0, length).Select(i => (char)('a' + i % 23)));
        Write("main.cc", content);
        using var conversation = ShimConversation.Begin(shim, Compile);
        await conversation.HelloAsync();
        await conversation.DescriptionAsync();

        Assert.Equal(content, Encoding.ASCII.GetString(await conversation.ContentAsync(0)));

        conversation.Close();
        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    [Fact]
    public async Task Times_are_told_of_files_that_are_equal()
    {
        Write("a.h", "equal\n");
        Write("b.h", "equal\n");
        File.SetLastWriteTimeUtc(Path.Combine(shim.Work, "b.h"), DateTime.UnixEpoch.AddSeconds(77));
        shim.Text = "# 1 \"a.h\"\n# 1 \"b.h\"\n# 1 \"main.cc\"\n";
        using var conversation = ShimConversation.Begin(shim, Compile);
        await conversation.HelloAsync();

        var description = await conversation.DescriptionAsync();

        var times = ReadFiles(description).ToDictionary(file => file.Name, file => file.Time);
        Assert.Equal(77ul, times["b.h"]);
        Assert.NotNull(times["a.h"]);
        Assert.Null(times["main.cc"]);
        conversation.Close();
        await conversation.EndAsync();
    }

    [Fact]
    public async Task What_a_helper_made_and_said_is_taken_over()
    {
        using var conversation = ShimConversation.Begin(shim, Compile);
        await conversation.HelloAsync();
        await conversation.DescriptionAsync();
        await conversation.SendAsync(ShimFrame.Wait, ShimFrame.Number(60));
        await conversation.SendAsync(ShimFrame.Output, "first "u8.ToArray());
        await conversation.SendAsync(ShimFrame.Output, "second"u8.ToArray());
        await conversation.SendAsync(ShimFrame.Result, [.. ShimFrame.Number(0), .. ShimFrame.String("a warning\n")]);

        Assert.Equal(new(0, "", "a warning\n"), await conversation.EndAsync());
        Assert.Equal("first second", Read("main.s"));
        // The processor time of the scan, and that of the shim.
        Assert.Equal(16, (await conversation.PayloadAsync(ShimFrame.Spent)).Length);
        Assert.Null(await conversation.ReadAsync());
    }

    [Fact]
    public async Task An_output_to_a_pipe_is_taken_over_too()
    {
        using var conversation = ShimConversation.Begin(shim, ["-quiet", "main.cc", "-o", "-"]);
        await conversation.HelloAsync();
        await conversation.DescriptionAsync();
        await conversation.SendAsync(ShimFrame.Output, "assembly"u8.ToArray());
        await conversation.SendAsync(ShimFrame.Result, [.. ShimFrame.Number(0), .. ShimFrame.String("")]);

        Assert.Equal(new(0, "assembly", ""), await conversation.EndAsync());
    }

    /// <summary>Frames that lead home after the description, and why.</summary>
    public static TheoryData<string, uint, byte[]> OddFrames => new()
    {
        { "it did not succeed elsewhere", ShimFrame.Result, [.. ShimFrame.Number(1), .. ShimFrame.String("an error\n")] },
        { "the coordinator sent a frame that is not understood", ShimFrame.Result, [0, 0, 0] },
        { "the coordinator sent a frame that is not understood", ShimFrame.Result, [.. ShimFrame.Number(0), .. ShimFrame.Number(100), 1] },
        { "the coordinator sent a frame that is not understood", 77, [] },
        { "the coordinator sent a frame that is not understood", ShimFrame.Describe, [] },
        { "the coordinator sent a frame that is not understood", ShimFrame.Send, [] },
        { "the coordinator sent a frame that is not understood", ShimFrame.Send, [.. ShimFrame.Number(uint.MaxValue), 0, 0, 0, 0] },
        { "the coordinator sent a frame that is not understood", ShimFrame.Wait, ShimFrame.Number(0) },
        { "the coordinator sent a frame that is not understood", ShimFrame.Wait, ShimFrame.Number(100_000) },
    };

    [Theory]
    [MemberData(nameof(OddFrames))]
    public async Task An_odd_frame_leads_home(string reason, uint type, byte[] payload)
    {
        using var conversation = ShimConversation.Begin(shim, Compile);
        await conversation.HelloAsync();
        await conversation.DescriptionAsync();
        await conversation.SendAsync(ShimFrame.Output, "half"u8.ToArray());
        await conversation.SendAsync(type, payload);

        Assert.Equal(
            type == ShimFrame.Send ? "the coordinator sent a frame that is not understood" : reason, await conversation.ReasonAsync());
        Assert.True((await conversation.EndAsync()).WasAtHome);
        Assert.False(File.Exists(Path.Combine(shim.Work, "main.s")));
    }

    [Fact]
    public async Task A_file_that_is_not_in_the_unit_is_not_sent()
    {
        using var conversation = ShimConversation.Begin(shim, Compile);
        await conversation.HelloAsync();
        await conversation.DescriptionAsync();
        await conversation.SendAsync(ShimFrame.Send, [.. ShimFrame.Number(1), .. ShimFrame.Number(1)]);

        Assert.Equal("the coordinator asked for a file that is not there", await conversation.ReasonAsync());
        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    [Fact]
    public async Task A_result_without_an_output_leads_home()
    {
        using var conversation = ShimConversation.Begin(shim, Compile);
        await conversation.HelloAsync();
        await conversation.DescriptionAsync();
        await conversation.SendAsync(ShimFrame.Result, [.. ShimFrame.Number(0), .. ShimFrame.String("")]);

        Assert.Equal("it has no output", await conversation.ReasonAsync());
        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Silence_leads_home(bool isDescribed)
    {
        using var conversation = ShimConversation.Begin(shim, Compile);
        await conversation.HelloAsync();
        if (isDescribed) await conversation.DescriptionAsync();

        Assert.Equal("the coordinator said nothing in time", await conversation.ReasonAsync());
        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_connection_that_breaks_leads_home(bool isDescribed)
    {
        using var conversation = ShimConversation.Begin(shim, Compile);
        await conversation.HelloAsync();
        if (isDescribed) await conversation.DescriptionAsync();
        conversation.Close();

        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    [Fact]
    public async Task A_broker_that_does_not_take_connections_holds_nothing_up()
    {
        using var listener = shim.Listen();
        listener.Listen(0);
        var waiting = Enumerable.Range(0, 4).Select(_ => shim.StartTool(Compile)).ToList();

        foreach (var process in waiting) Assert.True((await ShimProgram.EndAsync(process)).WasAtHome);
    }

    [Theory]
    [InlineData("-fplugin=x.so")]
    [InlineData("-fprofile-use=x")]
    [InlineData("-fprofile-arcs")]
    [InlineData("-ftest-coverage")]
    [InlineData("-fdump-tree-all")]
    [InlineData("-fstack-usage")]
    [InlineData("-fcallgraph-info=su")]
    [InlineData("-fverbose-asm")]
    [InlineData("-fopt-info-vec=x")]
    [InlineData("-fsave-optimization-record")]
    [InlineData("-fmodules-ts")]
    [InlineData("-fpreprocessed")]
    [InlineData("-fdirectives-only")]
    [InlineData("-fsyntax-only")]
    [InlineData("-fcompare-debug")]
    [InlineData("-frecord-gcc-switches")]
    [InlineData("-fdiagnostics-format=json-file")]
    [InlineData("-fdeps-file=x")]
    [InlineData("-fnew-option=a/file")]
    [InlineData("-march=native")]
    [InlineData("-mtune=native")]
    [InlineData("-Wmissing-include-dirs")]
    [InlineData("-MG")]
    [InlineData("-imacros", "x.h")]
    [InlineData("-imacrosx.h")]
    [InlineData("-include", "/dev/fd/9")]
    [InlineData("-MF", "/dev/stdout")]
    [InlineData("-MD", "/dev/stderr")]
    [InlineData("--output-pch=x")]
    [InlineData("-da")]
    [InlineData("-dumpfullversion")]
    [InlineData("-traditional-cpp")]
    [InlineData("-remap")]
    [InlineData("-no-integrated-cpp")]
    [InlineData("-some-new-option")]
    [InlineData("@response")]
    [InlineData("second.cc")]
    [InlineData("-o", "second.s")]
    public async Task What_touches_further_files_or_the_machine_stays_at_home(params string[] more)
    {
        using var conversation = ShimConversation.Begin(shim, [.. Compile, .. more]);

        Assert.NotEqual("", (await conversation.HelloAsync()).Home);
        await conversation.SendAsync(ShimFrame.Describe);

        Assert.NotNull(await conversation.ReasonAsync());
        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    [Theory]
    [InlineData("-O3")]
    [InlineData("-ggdb3", "-dD")]
    [InlineData("-std=c++20")]
    [InlineData("-march=x86-64-v3")]
    [InlineData("-Wall", "-Werror")]
    [InlineData("-fcaller-saves")]
    [InlineData("-fcall-saved-r10")]
    [InlineData("-ffile-prefix-map=/a/b=/c")]
    [InlineData("-fdebug-prefix-map=/a/b=/c")]
    [InlineData("-frandom-seed=/a/b")]
    [InlineData("-D", "A=/b")]
    [InlineData("-DA")]
    [InlineData("-isystem", "/a")]
    [InlineData("-include", "main.cc")]
    [InlineData("-MD", "x.d")]
    [InlineData("-MF", "/dev/null")]
    [InlineData("--param", "x=1")]
    [InlineData("--param=x=1")]
    [InlineData("-fPIC", "-fopenmp")]
    public async Task What_only_shapes_the_output_is_shared(params string[] more)
    {
        using var conversation = ShimConversation.Begin(shim, [.. Compile, .. more]);

        Assert.Equal("", (await conversation.HelloAsync()).Home);

        conversation.Close();
        await conversation.EndAsync();
    }

    [Theory]
    [InlineData("-E", "main.cc")]
    [InlineData("-M", "main.cc")]
    [InlineData("-MM", "main.cc")]
    [InlineData("-quiet", "-", "-o", "x.s")]
    [InlineData("-version")]
    [InlineData("/dev/null", "-o", "x.s")]
    public async Task What_compiles_nothing_asks_nobody(params string[] arguments)
    {
        using var listener = shim.Listen();

        var end = await ShimProgram.EndAsync(shim.StartTool(arguments));

        Assert.False(listener.Poll(0, SelectMode.SelectRead));
        if (arguments[0] != "-E") Assert.True(end.WasAtHome);
    }

    [Theory]
    [InlineData("DEPENDENCIES_OUTPUT")]
    [InlineData("SUNPRO_DEPENDENCIES")]
    [InlineData("LD_LIBRARY_PATH")]
    [InlineData("GLIBC_TUNABLES")]
    [InlineData("GCONV_PATH")]
    [InlineData("LOCPATH")]
    public async Task A_variable_that_changes_the_compiler_keeps_it_at_home(string name)
    {
        using var conversation = ShimConversation.Begin(shim, Compile, new Dictionary<string, string> { [name] = "/nowhere" });

        Assert.NotEqual("", (await conversation.HelloAsync()).Home);

        conversation.Close();
        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    [Theory]
    [InlineData("# 1 \"nowhere.h\"\n", "a file that the text names is not there")]
    [InlineData("# 1 \"/\"\n", "a file that the text names is not a file")]
    [InlineData("# 1 \"main.cc\"\nconst char *t = __TIMESTAMP__;\n", "it asks for the time of a file")]
    [InlineData("# 1 \"main.cc\"\nconst char *t = __DATE__;\n", "it asks for the time of day")]
    [InlineData("# 1 \"main.cc\"\n#embed <x>\n", "it embeds a file")]
    [InlineData("# 1 \"main.cc\"\n# embed \"x\"\n", "it embeds a file")]
    [InlineData("# 1 \"main.cc\"\n#if __has_embed(<x>)\n", "it embeds a file")]
    [InlineData("#pragma GCC pch_preprocess \"x.gch\"\n", "a precompiled header is used")]
    [InlineData("#pragma GCC dependency \"x\"\n", "a pragma compares the times of files")]
    [InlineData("# 1 \"precompiled.h\"\n", "a precompiled header may be used")]
    [InlineData("", "the scan is empty")]
    public async Task A_text_that_tells_of_more_than_it_names_is_compiled_at_home(string text, string reason)
    {
        Write("precompiled.h", "");
        Write("precompiled.h.gch", "");
        shim.Text = text;
        using var conversation = ShimConversation.Begin(shim, Compile);
        await conversation.HelloAsync();
        await conversation.SendAsync(ShimFrame.Describe);

        Assert.Equal(reason, await conversation.ReasonAsync());
        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    [Fact]
    public async Task The_time_of_day_does_not_matter_where_the_build_sets_it()
    {
        shim.Text = "# 1 \"main.cc\"\nconst char *t = __DATE__;\n";
        using var conversation = ShimConversation.Begin(shim, Compile, new Dictionary<string, string> { ["SOURCE_DATE_EPOCH"] = "1" });
        await conversation.HelloAsync();

        Assert.NotEmpty(await conversation.DescriptionAsync());

        conversation.Close();
        await conversation.EndAsync();
    }

    [Fact]
    public async Task A_folder_with_another_name_in_the_environment_is_kept_at_home_since_debug_information_has_that_name()
    {
        var other = Path.Combine(shim.Folder, "other-name");
        if (!Directory.Exists(other)) Directory.CreateSymbolicLink(other, shim.Work);
        using var conversation = ShimConversation.Begin(shim, Compile, new Dictionary<string, string> { ["PWD"] = other });
        await conversation.HelloAsync();
        await conversation.SendAsync(ShimFrame.Describe);

        Assert.Equal("$PWD is another name of its folder", await conversation.ReasonAsync());
        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    [Fact]
    public async Task The_locales_of_a_build_go_along_as_headers_do()
    {
        var locales = Path.Combine(shim.Folder, "store", "4567-locales");
        using var conversation = ShimConversation.Begin(
            shim, Compile, new Dictionary<string, string> { ["LOCALE_ARCHIVE"] = locales + "/lib/archive" });
        await conversation.HelloAsync();

        var unit = new ShimFields(await conversation.DescriptionAsync());

        unit.String();
        unit.String();
        unit.Bytes(36);
        Assert.Equal([$"LOCALE_ARCHIVE={locales}/lib/archive"], unit.Strings());
        unit.Strings();
        unit.Number();
        Assert.Equal([locales], unit.Strings());
        conversation.Close();
        await conversation.EndAsync();
    }

    [Fact]
    public async Task Names_that_the_compiler_escapes_are_understood()
    {
        Write("odd \"é\\.h", "odd\n");
        shim.Text = "# 1 \"odd \\\"\\303\\251\\\\.h\"\n";

        Assert.Equal(["odd \"é\\.h"], (await FilesAsync()).Keys);
    }

    [Fact]
    public async Task A_unit_of_too_many_files_is_compiled_at_home()
    {
        shim.Text = string.Concat(Enumerable.Range(0, 3001).Select(i => $"# 1 \"{shim.Folder}/store/path-{i}/a.h\"\n"));
        using var conversation = ShimConversation.Begin(shim, Compile);
        await conversation.HelloAsync();
        await conversation.SendAsync(ShimFrame.Describe);

        Assert.Equal("it reads too many files", await conversation.ReasonAsync());
        Assert.True((await conversation.EndAsync()).WasAtHome);
    }

    [Fact]
    public async Task A_caller_that_ignores_the_end_of_its_children_is_served_all_the_same()
    {
        using var listener = shim.Listen();
        using var process = ShimProgram.Start(
            "/usr/bin/env", shim.Work, ["--ignore-signal=CHLD", Path.Combine(shim.Folder, "bin/cc1plus"), .. Compile]);
        using var stream = new NetworkStream(await listener.AcceptAsync(TestContext.Current.CancellationToken), ownsSocket: true);
        Assert.Equal(ShimFrame.Hello, (await ShimFrame.ReadAsync(stream))!.Type);
        await stream.WriteAsync(new ShimFrame(ShimFrame.Describe, []).Bytes, TestContext.Current.CancellationToken);

        Assert.Equal(ShimFrame.Local, (await ShimFrame.ReadAsync(stream))!.Type);
        Assert.True((await ShimProgram.EndAsync(process)).WasAtHome);
    }

    [Theory]
    [InlineData("<&-")]
    [InlineData(">&-")]
    public async Task A_caller_without_a_standard_descriptor_is_served_by_the_original(string closed)
    {
        using var listener = shim.Listen();
        var process = ShimProgram.Start(
            "/bin/sh", shim.Work, ["-c", $"exec \"$0\" \"$@\" {closed}", Path.Combine(shim.Folder, "bin/cc1plus"), .. Compile]);

        Assert.True((await ShimProgram.EndAsync(process)).WasAtHome);
    }

    private async Task<Dictionary<string, byte[]>> FilesAsync()
    {
        using var conversation = ShimConversation.Begin(shim, Compile);
        await conversation.HelloAsync();
        var files = ReadFiles(await conversation.DescriptionAsync()).ToDictionary(file => file.Name, file => file.Digest);
        conversation.Close();
        await conversation.EndAsync();
        return files;
    }

    private static IEnumerable<(string Name, byte[] Digest, ulong? Time)> ReadFiles(byte[] description)
    {
        var unit = new ShimFields(description);
        unit.String();
        unit.String();
        unit.Bytes(36);
        unit.Strings();
        unit.Strings();
        unit.Number();
        unit.Strings();
        for (var count = unit.Number(); count > 0; count--)
        {
            var name = unit.String();
            unit.LongNumber();
            var digest = unit.Bytes(32);
            yield return unit.Number() == 1 ? (name, digest, unit.LongNumber()) : (name, digest, Skip());
        }
        Assert.True(unit.IsAtEnd);

        ulong? Skip()
        {
            unit.LongNumber();
            return null;
        }
    }

    private void Write(string name, string content) => File.WriteAllText(Path.Combine(shim.Work, name), content);

    private string Read(string name) => File.ReadAllText(Path.Combine(shim.Work, name));
}
