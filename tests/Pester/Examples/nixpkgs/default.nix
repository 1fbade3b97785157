# Stands in for nixpkgs: packages of the names that the documents build, each of which takes a shell and a moment.
{ system ? builtins.currentSystem }:
let
  era = import ./era.nix;
  package = name: attributes:
    derivation ({
      inherit name system era;
      outputs = [ "out" ];
      builder = "/bin/sh";
      PATH = "/usr/bin:/bin";
      args = [
        "-euc"
        ''
          echo "making $name"
          for output in $outputs; do
            eval "path=\$$output"
            mkdir -p $path/bin
            printf '#!/bin/sh\necho "Hello, world!"\n' > $path/bin/hello
            chmod +x $path/bin/hello
          done
        ''
      ];
    } // attributes) // {
      overrideAttrs = change: package name (attributes // (if builtins.isFunction change then change attributes else change));
    };
in
{
  hello = package "hello-2.12" { };
  linux = package "linux-6.12" { };
  openssl = package "openssl-3.4" { outputs = [ "out" "dev" ]; };
  firefox = package "firefox-140" { inherit system; };
  llvm = package "llvm-21" { };
  nixosTests.simple = package "vm-test-run-simple" { requiredSystemFeatures = [ "kvm" ]; };
  python3 = package "python3-3.13" { } // {
    withPackages = choose: package "python3-env" { packages = choose { numpy = package "numpy-2.3" { }; }; };
  };
}
