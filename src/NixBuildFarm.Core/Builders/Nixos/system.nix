# Reads a whole system of a flake: one of its nixosConfigurations or darwinConfigurations.
{ functions, modules, tell }:
{ flake, name, skip ? [ ] }:
let
  outputs = builtins.getFlake flake;
  systems = outputs.nixosConfigurations or { } // outputs.darwinConfigurations or { };
  names = builtins.concatStringsSep ", " (builtins.attrNames systems);
  system = systems.${name} or (throw "there is no system “${name}”; the flake has: ${if names == "" then "none" else names}");
in
tell {
  inherit (system) config;
  inherit skip;
  inherit (modules functions) mergeAny;
  hints = { };
  hasPlaces = false;
}
