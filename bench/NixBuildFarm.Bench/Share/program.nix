# What bench share builds: a C++ program whose compiles last as long as their sources say. `compiler` and `wrapper` are made of a real
# gcc toolchain; only its cc1plus sleeps before it compiles. `nonce` makes other derivations.
{ gcc, wrapper, folder, nonce ? "", units ? "", text ? "", edited ? "", occupied ? "" }:
let
  real = builtins.storePath gcc;
  system = "x86_64-linux";
  shell = "${real}/bin/bash";
in rec {
  compiler = derivation {
    name = "gcc-12.2.0-lengthened";
    inherit system;
    builder = shell;
    args = [ "-eu" ./compiler.sh ];
    PATH = "${builtins.storePath wrapper}/bin:${real}/bin";
    inherit real;
    source = ./lengthened.c;
  };
  compilerWrapper = derivation {
    name = "gcc-wrapper-12.2.0-lengthened";
    inherit system compiler;
    builder = shell;
    args = [ "-eu" ./wrapper.sh ];
    PATH = "${real}/bin";
    real = builtins.storePath wrapper;
    former = real;
  };

  build = name: script: attributes: derivation ({
    inherit name system nonce;
    builder = shell;
    args = [ "-eu" script ];
    PATH = "${compilerWrapper}/bin:${compiler}/bin";
    SHELL = shell;
    LC_ALL = "C";
    enableParallelBuilding = "1";
    NIX_CFLAGS_COMPILE = "-frandom-seed=bench";
  } // attributes);

  # A line of `units` is a unit: the seconds that its compile lasts. All read otherwise with another `text`, the first `edited` of
  # them in any case.
  program = build "program" ./program.sh { inherit text edited; units = builtins.toFile "units" units; };
  # The processor time of calls of the compiler, one after the other.
  overhead = build "overhead" ./overhead.sh { inherit units occupied; };
  # Commands, none of them a compile.
  nothing = build "nothing" ./nothing.sh { };
}
