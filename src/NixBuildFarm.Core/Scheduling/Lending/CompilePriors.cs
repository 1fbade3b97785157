using System.Text.RegularExpressions;

namespace NixBuildFarm.Scheduling.Lending;

/// <summary>
/// What can be guessed of the compiles of a package that was never shared: by what it is written in, as far as its name tells. Only
/// compiles by a gcc that is an input of the build can be shared.
/// </summary>
internal static partial class CompilePriors
{
    /// <summary>Large C++ programs compile most of the time; so do, less, C programs and what is not known.</summary>
    private static readonly CompileEstimate Cpp = new(0.75, 4), C = new(0.6, 1), Unknown = new(0.5, 1.5);

    /// <summary>Its later stages are compiled by the compiler that the first one has made.</summary>
    private static readonly CompileEstimate Bootstrap = new(0.2, 1.5);

    /// <summary>A guess from name and kind.</summary>
    public static CompileEstimate For(Job job)
    {
        if (!IsPossible(job)) return default;
        var package = PackagePriors.KeyOf(job);
        return OtherCompiler().IsMatch(package) || PackageTable.IsOfOtherLanguage(package) ? default
            : BootstrapName().IsMatch(package) ? Bootstrap
            : CppName().IsMatch(package) ? Cpp
            : CName().IsMatch(package) ? C
            : Unknown;
    }

    /// <summary>Guesses for all jobs of a graph.</summary>
    public static IReadOnlyList<CompileEstimate> Of(JobGraph graph) => [.. Enumerable.Range(0, graph.Count).Select(job => For(graph[job]))];

    /// <summary>A guess from the kind of job alone.</summary>
    public static CompileEstimate WithoutNames(Job job) => IsPossible(job) ? Unknown : default;

    private static bool IsPossible(Job job) => job.EnableParallelBuilding && LendingRules.CanBeShared(job);

    // Of the clock on the wall: a busy machine may keep a thread waiting for seconds.
    private const int TimeLimit = 60_000;

    [GeneratedRegex(
        @"^(gcc|gnat|gfortran|binutils-bootstrap)(-|$)|-gcc(-|$)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeLimit)]
    private static partial Regex BootstrapName();

    /// <summary>Rust, Go, Haskell and others; and the browsers, which clang compiles.</summary>
    [GeneratedRegex(@"^(rustc?|cargo|go|ghc|haskell|stack|openjdk|jdk|maven|gradle|dotnet|mono|node2nix|swift|zig|nim|dmd|ldc|sbcl|erlang|elixir|coq|agda|lean\d?|firefox|thunderbird|librewolf|chromium|ungoogled-chromium|electron|webkitgtk|texlive|tex|doc|man)([-_.\d]|$)|-(docs?|rs|go|hs)(-|$)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase, TimeLimit)]
    private static partial Regex OtherCompiler();

    [GeneratedRegex(@"^(llvm|clang|lld|lldb|compiler-rt|libcxx|flang|mlir|qt|kde|k[a-z]*-frameworks|nodejs|v8|boost|cmake|icu|protobuf|grpc|abseil|re2|gtest|mysql|mariadb|mongodb|rocksdb|leveldb|ceph|arrow|libtorch|pytorch|tensorflow|onnx|opencv|vtk|paraview|itk|blender|openimageio|openvdb|usd|kicad|freecad|inkscape|libreoffice|poppler|harfbuzz|mesa|webkit|wxwidgets|fltk|gecode|z3|cvc\d|verilator|octave|root|geant4|openfoam|godot|supertux|0ad|mumble|krita|digikam|scribus|hugin|cppcheck|doxygen|nix|lix|folly|fbthrift|thrift|capnproto|zeromq|cryptopp|eigen|gdal|geos|proj|osm|spidermonkey)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase, TimeLimit)]
    private static partial Regex CppName();

    [GeneratedRegex(@"^(linux|glibc|musl|binutils|gdb|qemu|openssl|systemd|coreutils|git|vim|neovim|emacs|postgresql|sqlite|redis|nginx|curl|ffmpeg|x264|x265|gtk|glib|gstreamer|cairo|pango|python\d?|perl|ruby|php|lua|bash|zsh|samba|krb5|bind|openssh|gnutls|xorg|libx|wayland|elfutils|busybox|gmp|mpfr|guile|gnupg|imagemagick|ghostscript|gimp|wireshark)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase, TimeLimit)]
    private static partial Regex CName();
}
