using System.Text;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Store;

/// <summary>Derivations that use outputs of derivations which others make: what Nix 2.34.8 wrote and built in a store of its own.</summary>
/// <remarks>
/// <code>
/// rec {
/// mk = attrs: name: text: inputs: derivation ({ inherit name inputs; system = "x86_64-linux"; builder = "/bin/sh"; PATH = "/bin:/usr/bin";
/// args = [ "-euc" text ]; } // attrs); ca = mode: { __contentAddressed = true; outputHashMode = mode; outputHashAlgo = "sha256"; };
/// made = drv: builtins.unsafeDiscardOutputDependency drv.drvPath; of = drv: name: builtins.outputOf drv.outPath name;
/// inner = mk { outputs = [ "out" "dev" ]; } "inner" "echo inner > $out; echo dev > $dev" [ ];
/// floating = mk (ca "recursive") "floating" "echo floating > $out" [ ];
/// maker = mk (ca "text") "inner.drv" "cp ${made inner} $out" [ ];
/// floatingMaker = mk (ca "text") "floating.drv" "cp ${made floating} $out" [ ];
/// makerMaker = mk (ca "text") "inner.drv.drv" "cp ${made maker} $out" [ ];
/// user = mk { } "user" "cat $inputs ${maker} > $out" [ (of maker "out") (of maker "dev") ];
/// only = mk (ca "recursive") "only" "cat $inputs > $out" [ (of maker "out") floating ];
/// nested = mk { } "nested" "cat $inputs > $out" [ (builtins.outputOf (of makerMaker "out") "out") (of floatingMaker "out") ];
/// above = mk { } "above" "cat $inputs > $out" [ only user ];
/// }
/// </code>
/// </remarks>
internal static class SampleDynamic
{
    public static readonly StorePath Inner = StorePath.Parse("/nix/store/4ykivdfachjz9lr68030y6dlbc0fmz15-inner.drv");

    public static readonly StorePath Maker = StorePath.Parse("/nix/store/31fn49hjzj10zz20qz5d4k29s1w2la0z-inner.drv.drv");

    public static readonly StorePath Floating = StorePath.Parse("/nix/store/jvp2i6wkmfblqpdi2ll934d1n89jlqkq-floating.drv");

    public static readonly StorePath FloatingMaker = StorePath.Parse("/nix/store/m9n31zlhafvmr3gg10clsnyq7bj1a88w-floating.drv.drv");

    public static readonly StorePath MakerMaker = StorePath.Parse("/nix/store/jq4maihz92zpxa3qlsacy1qw5icsqfwl-inner.drv.drv.drv");

    public static readonly StorePath User = StorePath.Parse("/nix/store/lnxy4kgqvyn3j70q7l9fsjd28381z43s-user.drv");

    public static readonly StorePath Only = StorePath.Parse("/nix/store/ljsmv4bm0scbgqm4w8vpff8r7k718i8l-only.drv");

    public static readonly StorePath Nested = StorePath.Parse("/nix/store/kplgz26ymbrs8s658wl2a2ydnwrwiiia-nested.drv");

    public static readonly StorePath Above = StorePath.Parse("/nix/store/qn38scpfqyn1wi5l1micrys2yiaxw2rn-above.drv");

    private static readonly Dictionary<StorePath, string> Texts = new()
    {
        [Inner] = """
            Derive([("dev","/nix/store/k006d7ylgnidp769zanks9agh32175sl-inner-dev","",""),("out","/nix/store/4v4z54s91v28svig0r1ac9ngfdcsg9s7-inner","","")],
            [],[],
            "x86_64-linux","/bin/sh",["-euc","echo inner > $out; echo dev > $dev"],
            [("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("dev","/nix/store/k006d7ylgnidp769zanks9agh32175sl-inner-dev"),("inputs",""),("name","inner"),("out","/nix/store/4v4z54s91v28svig0r1ac9ngfdcsg9s7-inner"),("outputs","out dev"),("system","x86_64-linux")])
            """,
        [Maker] = """
            Derive([("out","","text:sha256","")],
            [],
            ["/nix/store/4ykivdfachjz9lr68030y6dlbc0fmz15-inner.drv"],
            "x86_64-linux","/bin/sh",["-euc","cp /nix/store/4ykivdfachjz9lr68030y6dlbc0fmz15-inner.drv $out"],
            [("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("inputs",""),("name","inner.drv"),("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),("outputHashAlgo","sha256"),("outputHashMode","text"),("system","x86_64-linux")])
            """,
        [Floating] = """
            Derive([("out","","r:sha256","")],
            [],[],
            "x86_64-linux","/bin/sh",["-euc","echo floating > $out"],
            [("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("inputs",""),("name","floating"),("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),("outputHashAlgo","sha256"),("outputHashMode","recursive"),("system","x86_64-linux")])
            """,
        [FloatingMaker] = """
            Derive([("out","","text:sha256","")],
            [],
            ["/nix/store/jvp2i6wkmfblqpdi2ll934d1n89jlqkq-floating.drv"],
            "x86_64-linux","/bin/sh",["-euc","cp /nix/store/jvp2i6wkmfblqpdi2ll934d1n89jlqkq-floating.drv $out"],
            [("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("inputs",""),("name","floating.drv"),("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),("outputHashAlgo","sha256"),("outputHashMode","text"),("system","x86_64-linux")])
            """,
        [MakerMaker] = """
            Derive([("out","","text:sha256","")],
            [],
            ["/nix/store/31fn49hjzj10zz20qz5d4k29s1w2la0z-inner.drv.drv"],
            "x86_64-linux","/bin/sh",["-euc","cp /nix/store/31fn49hjzj10zz20qz5d4k29s1w2la0z-inner.drv.drv $out"],
            [("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("inputs",""),("name","inner.drv.drv"),("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),("outputHashAlgo","sha256"),("outputHashMode","text"),("system","x86_64-linux")])
            """,
        [User] = """
            DrvWithVersion("xp-dyn-drv",[("out","","","")],
            [("/nix/store/31fn49hjzj10zz20qz5d4k29s1w2la0z-inner.drv.drv",(["out"],[("out",["dev","out"])]))],
            [],
            "x86_64-linux","/bin/sh",["-euc","cat $inputs /1n07m5ank96injf1bk9cv97asy43kzv7pk66np2fr55mah6ibi56 > $out"],
            [("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("inputs","/0mjhkn4dxk5j3l14jkmzxfvrnsm8r0hzhnzbykyf8ibyz8aq0s3a /1g7znb4gixnd8ssgsx9h5q5z069ddg5ry5axpyc46bl03jhc1mrj"),("name","user"),("out",""),("system","x86_64-linux")])
            """,
        [Only] = """
            DrvWithVersion("xp-dyn-drv",[("out","","r:sha256","")],
            [("/nix/store/31fn49hjzj10zz20qz5d4k29s1w2la0z-inner.drv.drv",([],[("out",["out"])])),("/nix/store/jvp2i6wkmfblqpdi2ll934d1n89jlqkq-floating.drv",["out"])],
            [],
            "x86_64-linux","/bin/sh",["-euc","cat $inputs > $out"],
            [("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("inputs","/0mjhkn4dxk5j3l14jkmzxfvrnsm8r0hzhnzbykyf8ibyz8aq0s3a /1rs90rhwv5jq9wl4lcl31zg148zqcj39r130g38r7yz90rbcg7kb"),("name","only"),("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),("outputHashAlgo","sha256"),("outputHashMode","recursive"),("system","x86_64-linux")])
            """,
        [Nested] = """
            DrvWithVersion("xp-dyn-drv",[("out","","","")],
            [("/nix/store/jq4maihz92zpxa3qlsacy1qw5icsqfwl-inner.drv.drv.drv",([],[("out",([],[("out",["out"])]))])),("/nix/store/m9n31zlhafvmr3gg10clsnyq7bj1a88w-floating.drv.drv",([],[("out",["out"])]))],
            [],
            "x86_64-linux","/bin/sh",["-euc","cat $inputs > $out"],
            [("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("inputs","/14b26h93anx6brk4n011s16viz45624iajxwxflhcgar0ibz7c70 /0iax2x5zk1vvv4w6x0c55rc3vyccsnx4clpixrnjb7dm2c1znh01"),("name","nested"),("out",""),("system","x86_64-linux")])
            """,
        [Above] = """
            Derive([("out","","","")],
            [("/nix/store/ljsmv4bm0scbgqm4w8vpff8r7k718i8l-only.drv",["out"]),("/nix/store/lnxy4kgqvyn3j70q7l9fsjd28381z43s-user.drv",["out"])],
            [],
            "x86_64-linux","/bin/sh",["-euc","cat $inputs > $out"],
            [("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("inputs","/1b7cchh7m4ap99k3v2l730hzhk0y3544ga6x2c4nh4indyj1kbqw /0bxajr6kp5rkss191jxzp294kc51pdg99g8i5ygd6n3lagz3kva8"),("name","above"),("out",""),("system","x86_64-linux")])
            """,
    };

    /// <summary>All of them.</summary>
    public static IEnumerable<StorePath> All => Texts.Keys;

    /// <summary>A derivation with all that it needs.</summary>
    public static Task<DerivationGraph> LoadAsync(StorePath root) =>
        DerivationGraph.LoadAsync(new Source(), [root], TestContext.Current.CancellationToken);

    /// <summary>The content of the file at a path.</summary>
    public static byte[] TextOf(StorePath path) => Encoding.UTF8.GetBytes(Texts[path].ReplaceLineEndings(""));

    private sealed class Source : IDerivationSource
    {
        public Task<Derivation> ReadAsync(StorePath path, CancellationToken cancellation) =>
            Task.FromResult(Derivation.Parse(TextOf(path)));
    }
}
