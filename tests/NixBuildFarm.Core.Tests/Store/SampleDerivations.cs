using System.Text;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Store;

/// <summary>Files that <c>nix-instantiate</c> of Nix 2.8.0 wrote in a store of its own, from the expression below.</summary>
/// <remarks>
/// <code>
/// let
///   sh = "/bin/sh";
///   source = ./source.txt;
///   download = derivation {
///     name = "source.tar.gz"; system = "builtin"; builder = "builtin:fetchurl"; url = "https://example.org/source.tar.gz";
/// outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "0000000000000000000000000000000000000000000000000000";
/// preferLocalBuild = true; }; library = derivation { name = "library-1.2"; pname = "library"; version = "1.2"; system = "riscv64-linux";
/// builder = sh; args = [ "-e" source ]; outputs = [ "out" "dev" "bin" ]; src = download; enableParallelBuilding = true; allowSubstitutes =
/// false; requiredSystemFeatures = [ "kvm" "big-parallel" ]; script = "line one\n\ttab \"quoted\" back\\slash\r\n"; bytes = "caf‹E9› 😀 é";
/// empty = ""; }; structured = derivation { name = "structured-3"; system = "x86_64-linux"; builder = sh; args = []; __structuredAttrs =
/// true; pname = "structured"; version = "3"; requiredSystemFeatures = [ "nixos-test" ]; preferLocalBuild = true; enableParallelBuilding =
/// true; deps = [ library.dev library.out download ]; text = "\"quoted\""; }; floating = derivation { name = "floating"; system =
/// "x86_64-linux"; builder = sh; __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; }; deferred =
/// derivation { name = "deferred"; system = "x86_64-linux"; builder = sh; dep = floating; }; impure = derivation { name = "impure"; system
/// = "x86_64-linux"; builder = sh; __impure = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; }; in { inherit download
/// library structured floating deferred impure; }
/// </code>
/// </remarks>
internal static class SampleDerivations
{
    /// <summary>A fixed-output derivation that Nix builds itself.</summary>
    public static readonly Sample Download = new(
        "/nix/store/xwnp3dm6j9r3w7m4fgf4gps9yxvg4bim-source.tar.gz.drv",
        """
        Derive([("out","/nix/store/viyrhww6yf8f44a4c8xddq6lx6q8l829-source.tar.gz","sha256","0000000000000000000000000000000000000000000000000000000000000000")],
        [],
        [],
        "builtin","builtin:fetchurl",[],
        [("builder","builtin:fetchurl"),
        ("name","source.tar.gz"),
        ("out","/nix/store/viyrhww6yf8f44a4c8xddq6lx6q8l829-source.tar.gz"),
        ("outputHash","0000000000000000000000000000000000000000000000000000"),
        ("outputHashAlgo","sha256"),
        ("outputHashMode","flat"),
        ("preferLocalBuild","1"),
        ("system","builtin"),
        ("url","https://example.org/source.tar.gz")])
        """);

    /// <summary>Three outputs, every escape, bytes that are not UTF-8.</summary>
    public static readonly Sample Library = new(
        "/nix/store/bxwadd17xqvxdd3px1jvyfxghz0avic4-library-1.2.drv",
        """
        Derive([("bin","/nix/store/ikxzj3g6scad82xh5pcv4kl40j3zfdzj-library-1.2-bin","",""),
        ("dev","/nix/store/i1vm7hvfgnl9dpn1fsbjg2amabksdkfr-library-1.2-dev","",""),
        ("out","/nix/store/nxymday38i8crk3c2plncy5jk97icmym-library-1.2","","")],
        [("/nix/store/xwnp3dm6j9r3w7m4fgf4gps9yxvg4bim-source.tar.gz.drv",["out"])],
        ["/nix/store/2ls68gww6ackc788l0kfz7pdl0gwh4zz-source.txt"],
        "riscv64-linux","/bin/sh",["-e","/nix/store/2ls68gww6ackc788l0kfz7pdl0gwh4zz-source.txt"],
        [("allowSubstitutes",""),
        ("bin","/nix/store/ikxzj3g6scad82xh5pcv4kl40j3zfdzj-library-1.2-bin"),
        ("builder","/bin/sh"),
        ("bytes","caf‹E9› 😀 é"),
        ("dev","/nix/store/i1vm7hvfgnl9dpn1fsbjg2amabksdkfr-library-1.2-dev"),
        ("empty",""),
        ("enableParallelBuilding","1"),
        ("name","library-1.2"),
        ("out","/nix/store/nxymday38i8crk3c2plncy5jk97icmym-library-1.2"),
        ("outputs","out dev bin"),
        ("pname","library"),
        ("requiredSystemFeatures","kvm big-parallel"),
        ("script","line one\n\ttab \"quoted\" back\\slash\r\n"),
        ("src","/nix/store/viyrhww6yf8f44a4c8xddq6lx6q8l829-source.tar.gz"),
        ("system","riscv64-linux"),
        ("version","1.2")])
        """);

    /// <summary>Structured attributes: what it says of itself stands in JSON.</summary>
    public static readonly Sample Structured = new(
        "/nix/store/qs3h3225ym6lm15k51dmrr0pfrbasjv5-structured-3.drv",
        """
        Derive([("out","/nix/store/65r3ack92jn6q23a6zjj4v0kl5k1nbb9-structured-3","","")],
        [("/nix/store/bxwadd17xqvxdd3px1jvyfxghz0avic4-library-1.2.drv",["dev","out"]),
        ("/nix/store/xwnp3dm6j9r3w7m4fgf4gps9yxvg4bim-source.tar.gz.drv",["out"])],
        [],
        "x86_64-linux","/bin/sh",[],
        [("__json","{\"builder\":\"/bin/sh\",\"deps\":[\"/nix/store/i1vm7hvfgnl9dpn1fsbjg2amabksdkfr-library-1.2-dev\",\"/nix/store/nxymday38i8crk3c2plncy5jk97icmym-library-1.2\",\"/nix/store/viyrhww6yf8f44a4c8xddq6lx6q8l829-source.tar.gz\"],\"enableParallelBuilding\":true,\"name\":\"structured-3\",\"pname\":\"structured\",\"preferLocalBuild\":true,\"requiredSystemFeatures\":[\"nixos-test\"],\"system\":\"x86_64-linux\",\"text\":\"\\\"quoted\\\"\",\"version\":\"3\"}"),
        ("out","/nix/store/65r3ack92jn6q23a6zjj4v0kl5k1nbb9-structured-3")])
        """);

    /// <summary>Its path follows from its content.</summary>
    public static readonly Sample Floating = new(
        "/nix/store/c9bi1gas0nxxig8mny2zm9w9pbfgr1gc-floating.drv",
        """
        Derive([("out","","r:sha256","")],
        [],
        [],
        "x86_64-linux","/bin/sh",[],
        [("builder","/bin/sh"),
        ("name","floating"),
        ("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),
        ("outputHashAlgo","sha256"),
        ("outputHashMode","recursive"),
        ("system","x86_64-linux")])
        """);

    /// <summary>Its path follows from that of <see cref="Floating"/>.</summary>
    public static readonly Sample Deferred = new(
        "/nix/store/w8kgdb12ml4bar9v06vgfdivi5n93gah-deferred.drv",
        """
        Derive([("out","","","")],
        [("/nix/store/c9bi1gas0nxxig8mny2zm9w9pbfgr1gc-floating.drv",["out"])],
        [],
        "x86_64-linux","/bin/sh",[],
        [("builder","/bin/sh"),
        ("dep","/0d13ypr65fz22alw0icn8261lw64ihlzvrbxrfrkb7x6yvxnxp72"),
        ("name","deferred"),
        ("out",""),
        ("system","x86_64-linux")])
        """);

    /// <summary>Built anew each time.</summary>
    public static readonly Sample Impure = new(
        "/nix/store/q8nz6l65qyqqp0sscmdizkl7489pav2v-impure.drv",
        """
        Derive([("out","","r:sha256","impure")],
        [],
        [],
        "x86_64-linux","/bin/sh",[],
        [("builder","/bin/sh"),
        ("name","impure"),
        ("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),
        ("outputHashAlgo","sha256"),
        ("outputHashMode","recursive"),
        ("system","x86_64-linux")])
        """);

    public static readonly Sample[] All = [Download, Library, Structured, Floating, Deferred, Impure];

    /// <param name="path">The file's path.</param>
    /// <param name="lines">Its content with line breaks to read it by, which it has none of, and with ‹E9› in place of that byte.</param>
    public sealed class Sample(string path, string lines)
    {
        public StorePath Path { get; } = StorePath.Parse(path);

        public byte[] ATerm { get; } =
        [
            .. lines.ReplaceLineEndings("")
                .Split("‹E9›")
                .Select(Encoding.UTF8.GetBytes)
                .Aggregate((left, right) => [.. left, 0xE9, .. right]),
        ];

        public Derivation Derivation => Derivation.Parse(ATerm);

        public override string ToString() => Path.Name;
    }
}
