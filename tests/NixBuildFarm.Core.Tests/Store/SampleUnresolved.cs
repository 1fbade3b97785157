using System.Text;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Store;

/// <summary>
/// A derivation whose path follows from its content, with what it needs: what Nix 2.8.0 wrote and built in a store of its own.
/// </summary>
/// <remarks>
/// <code>
/// let
/// mk = more: name: script: inputs: derivation ({ inherit name inputs; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-euc"
/// ("PATH=/bin:/usr/bin\n" + script) ]; } // more); ca = { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo =
/// "sha256"; }; fixed = mk { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "fixed\n"; }
/// "fixed" "echo fixed > $out" [ ]; plain = mk { outputs = [ "out" "dev" ]; } "plain" "echo plain > $out; echo $out > $dev" [ fixed
/// (builtins.toFile "text" "a text that refers to nothing") ]; floating = mk (ca // { outputs = [ "out" "lib" ]; }) "floating" "echo $lib
/// ${plain.dev} > $out; mkdir $lib; echo $lib > $lib/self" [ plain.dev ]; flat = mk (ca // { outputHashMode = "flat"; outputHashAlgo =
/// "sha1"; }) "flat" "echo flat > $out" [ ]; deferred = mk { outputs = [ "out" "doc" ]; } "deferred" "echo $inputs $doc > $out; echo doc >
/// $doc" [ floating.lib floating plain flat ]; in mk ca "top" "cat $inputs > $out; echo $inputs >> $out" [ deferred floating.out ]
/// </code>
/// </remarks>
internal static class SampleUnresolved
{
    public static readonly StorePath Fixed = StorePath.Parse("/nix/store/986nfzcykvy78i5lls7bw0g5bkymwpb5-fixed.drv");

    public static readonly StorePath Plain = StorePath.Parse("/nix/store/5jwiplj71rc04m7cri6c0nzvy6zd1py2-plain.drv");

    public static readonly StorePath Floating = StorePath.Parse("/nix/store/7pqgx79h09pmrqhwqq8b490l73ddxyx8-floating.drv");

    public static readonly StorePath Flat = StorePath.Parse("/nix/store/y603n4bjp97fdkkv4gbggx4c4vywwq3j-flat.drv");

    public static readonly StorePath Deferred = StorePath.Parse("/nix/store/wzz2j4wgg0f824gl5i6a5w1z4zbb7s47-deferred.drv");

    public static readonly StorePath Top = StorePath.Parse("/nix/store/53l0agjns5qx49z1xxnc3a70aj9hxr8c-top.drv");

    private static readonly Dictionary<StorePath, string> Texts = new()
    {
        [Fixed] = """
            Derive([("out","/nix/store/21ms7ghwn3cz7qfanbs3xyg5wm36a4y2-fixed","sha256","0c3071418e6356e614898c84ed064ca95e88551bc0811b534bdf1952ecdae534")],
            [],
            [],
            "x86_64-linux","/bin/sh",["-euc","PATH=/bin:/usr/bin\necho fixed > $out"],
            [("builder","/bin/sh"),("inputs",""),("name","fixed"),("out","/nix/store/21ms7ghwn3cz7qfanbs3xyg5wm36a4y2-fixed"),("outputHash","0c3071418e6356e614898c84ed064ca95e88551bc0811b534bdf1952ecdae534"),("outputHashAlgo","sha256"),("outputHashMode","flat"),("system","x86_64-linux")])
            """,
        [Plain] = """
            Derive([("dev","/nix/store/db59fsqk2phli23809y5fylyw7jiai9n-plain-dev","",""),("out","/nix/store/z24mp951s3f66cjhlrckzrhnvs3fzfbk-plain","","")],
            [("/nix/store/986nfzcykvy78i5lls7bw0g5bkymwpb5-fixed.drv",["out"])],
            ["/nix/store/a6m4a1jyygz3gnjv2qhsk1iib4wywm49-text"],
            "x86_64-linux","/bin/sh",["-euc","PATH=/bin:/usr/bin\necho plain > $out; echo $out > $dev"],
            [("builder","/bin/sh"),("dev","/nix/store/db59fsqk2phli23809y5fylyw7jiai9n-plain-dev"),("inputs","/nix/store/21ms7ghwn3cz7qfanbs3xyg5wm36a4y2-fixed /nix/store/a6m4a1jyygz3gnjv2qhsk1iib4wywm49-text"),("name","plain"),("out","/nix/store/z24mp951s3f66cjhlrckzrhnvs3fzfbk-plain"),("outputs","out dev"),("system","x86_64-linux")])
            """,
        [Floating] = """
            Derive([("lib","","r:sha256",""),("out","","r:sha256","")],
            [("/nix/store/5jwiplj71rc04m7cri6c0nzvy6zd1py2-plain.drv",["dev"])],
            [],
            "x86_64-linux","/bin/sh",["-euc","PATH=/bin:/usr/bin\necho $lib /nix/store/db59fsqk2phli23809y5fylyw7jiai9n-plain-dev > $out; mkdir $lib; echo $lib > $lib/self"],
            [("builder","/bin/sh"),("inputs","/nix/store/db59fsqk2phli23809y5fylyw7jiai9n-plain-dev"),("lib","/0sra2y18lr3h6j58qjm0w46yv36h1wjmilb09n8aimdpivdymscx"),("name","floating"),("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),("outputHashAlgo","sha256"),("outputHashMode","recursive"),("outputs","out lib"),("system","x86_64-linux")])
            """,
        [Flat] = """
            Derive([("out","","sha1","")],
            [],
            [],
            "x86_64-linux","/bin/sh",["-euc","PATH=/bin:/usr/bin\necho flat > $out"],
            [("builder","/bin/sh"),("inputs",""),("name","flat"),("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),("outputHashAlgo","sha1"),("outputHashMode","flat"),("system","x86_64-linux")])
            """,
        [Deferred] = """
            Derive([("doc","","",""),("out","","","")],
            [("/nix/store/5jwiplj71rc04m7cri6c0nzvy6zd1py2-plain.drv",["out"]),("/nix/store/7pqgx79h09pmrqhwqq8b490l73ddxyx8-floating.drv",["lib","out"]),("/nix/store/y603n4bjp97fdkkv4gbggx4c4vywwq3j-flat.drv",["out"])],
            [],
            "x86_64-linux","/bin/sh",["-euc","PATH=/bin:/usr/bin\necho $inputs $doc > $out; echo doc > $doc"],
            [("builder","/bin/sh"),("doc",""),("inputs","/18dv3h01pvj3n2qfpv8hjm7z8vfwqc5wb3xnbfqhnr9rvpar9a2j /18n64y96qk8k3346rdw60v1qilmp8f7abdbd5fldjf0x3jc5affx /nix/store/z24mp951s3f66cjhlrckzrhnvs3fzfbk-plain /02xgd9j50mhg4ih6jmj2zhx47v3ch2l6a6nls75xd37npmswvsa7"),("name","deferred"),("out",""),("outputs","out doc"),("system","x86_64-linux")])
            """,
        [Top] = """
            Derive([("out","","r:sha256","")],
            [("/nix/store/7pqgx79h09pmrqhwqq8b490l73ddxyx8-floating.drv",["out"]),("/nix/store/wzz2j4wgg0f824gl5i6a5w1z4zbb7s47-deferred.drv",["out"])],
            [],
            "x86_64-linux","/bin/sh",["-euc","PATH=/bin:/usr/bin\ncat $inputs > $out; echo $inputs >> $out"],
            [("builder","/bin/sh"),("inputs","/1ax08wcsnciakjmmsks4mfhra77wl7dski9iaws4savr1rmdzq11 /18n64y96qk8k3346rdw60v1qilmp8f7abdbd5fldjf0x3jc5affx"),("name","top"),("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),("outputHashAlgo","sha256"),("outputHashMode","recursive"),("system","x86_64-linux")])
            """,
    };

    /// <summary>The derivations, top last.</summary>
    public static Task<DerivationGraph> LoadAsync() =>
        DerivationGraph.LoadAsync(new Source(), [Top], TestContext.Current.CancellationToken);

    /// <summary>The derivation at a path.</summary>
    public static Derivation Read(StorePath path) => Derivation.Parse(Encoding.UTF8.GetBytes(Texts[path].ReplaceLineEndings("")));

    private sealed class Source : IDerivationSource
    {
        public Task<Derivation> ReadAsync(StorePath path, CancellationToken cancellation) => Task.FromResult(Read(path));
    }
}
