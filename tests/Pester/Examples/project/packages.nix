# What a project has, on one system: each package takes a shell and a moment.
{ system, nixpkgs ? null }:
let
  package = name: script: derivation {
    inherit name system nixpkgs;
    era = import ./era.nix;
    builder = "/bin/sh";
    PATH = "/usr/bin:/bin";
    args = [ "-euc" script ];
  };
  good = name: package name "echo making ${name}; echo ${name} > $out";

  # Where a program is to be in the output, as `activate` of home-manager and of NixOS.
  withProgram = name: program: package name ''
    mkdir -p $out/bin
    printf '#!/bin/sh\necho activated\n' > $out/${program}
    chmod +x $out/${program}
  '';
in
{
  packages = builtins.listToAttrs (map (name: { inherit name; value = good "project-${name}"; })
    [ "default" "a" "b" "hello" "server" "system" "installer" "tests" "all" "everything" "fix" ]);
  checks = { unit = good "check-unit"; docs = good "check-docs"; };
  # The one derivation that fails, wherever an example is about failures.
  failing = { lint = package "broken-check" "echo words of the failure; exit 3"; };
  toplevel = withProgram "nixos-system" "activate";
  home = withProgram "home-manager-generation" "activate";
  # nix develop asks it for its variables; what builds has to be a bash.
  shell = derivation {
    name = "shell";
    outputs = [ "out" ];
    inherit system;
    builder = "/bin/bash";
    PATH = "/usr/bin:/bin";
    args = [ "-c" "echo > $out" ];
  };
}
