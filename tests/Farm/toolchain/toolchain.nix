# The compiler and its wrapper, made of unpacked Debian packages.
{ rootfs }:
let
  make = name: script: env: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ script ]; } // env);
in rec {
  gcc = make "gcc-12.2.0" ./gcc.sh { rootfs = builtins.storePath rootfs; };
  wrapper = make "gcc-wrapper-12.2.0" ./wrapper.sh { inherit gcc; wrapper = ./wrapper; };
}
