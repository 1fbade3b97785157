{
  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "riscv64-linux" ];
      of = system: import ./packages.nix { inherit system; nixpkgs = "${nixpkgs}"; };
      each = choose: builtins.listToAttrs (map (system: { name = system; value = choose (of system) system; }) systems);
      machine = system: { config = import ./machine.nix // { system.build.toplevel = (of system).toplevel; }; };
    in
    {
      packages = each (all: _: all.packages);
      checks = each (all: system: all.checks // (if system == "x86_64-linux" then all.failing else { }));
      devShells = each (all: _: { default = all.shell; });
      nixosConfigurations = { coordinator = machine "x86_64-linux"; desk = machine "x86_64-linux"; pi = machine "aarch64-linux"; };
      homeConfigurations.root.activationPackage = (of "x86_64-linux").home;
    };
}
