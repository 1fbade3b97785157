# Evaluates a NixOS module by nixpkgs' module system where nixpkgs is at hand, else by that of modules.nix, and gives what tell.nix
# makes of it. Whatever the module and its imports set is allowed, declared or not.
{ functions, modules, tell }:
{
  file # the module
, hostName # of this machine, where the module will be deployed
, arguments ? { } # more arguments of modules, such as `inputs`
, flake ? null # the folder of the flake that the file belongs to: `inputs` and `self`
, nixpkgsOfFlake ? null # its nixpkgs, if that is in the store
, skip ? [ ] # the parts that cannot be evaluated
}:
let
  inherit (builtins) attrNames concatMap currentSystem elemAt getFlake isAttrs listToAttrs match seq tryEval;

  # nixpkgs, or what stands for it. ---------------------------------------------------------------------------------------
  found = tryEval <nixpkgs>;
  nixpkgs = if found.success then found.value else if nixpkgsOfFlake != null then /. + nixpkgsOfFlake else null;
  ownLib = functions // modules ownLib // {
    lists = ownLib; attrsets = ownLib; strings = ownLib; trivial = ownLib; options = ownLib; modules = ownLib; asserts = ownLib;
    filesystem = ownLib; fixedPoints = ownLib; versions = ownLib;
  };
  itsLib = if nixpkgs == null then ownLib else import (nixpkgs + "/lib");
  lib = if itsLib ? evalModules then itsLib else ownLib;

  system = match "([^-]*)-(.*)" currentSystem;
  platform = rec {
    system = currentSystem;
    isLinux = kernel == "linux"; isDarwin = kernel == "darwin"; isx86_64 = processor == "x86_64"; isAarch64 = processor == "aarch64";
    parsed = { cpu.name = processor; kernel.name = kernel; };
  };
  processor = elemAt system 0;
  kernel = elemAt system 1;
  platforms = { hostPlatform = platform; buildPlatform = platform; targetPlatform = platform; inherit (platform) system isLinux isDarwin; };
  pkgs =
    if nixpkgs != null then import nixpkgs { }
    else { inherit lib; inherit (platforms) system hostPlatform buildPlatform targetPlatform; stdenv = platforms; };

  itself = getFlake flake;
  ofFlake = if flake == null then { } else { self = itself; inputs = itself.inputs; };
  specialArgs = {
    modulesPath = if nixpkgs != null then nixpkgs + "/nixos/modules" else ownLib.modulesPathWithoutNixpkgs;
  } // ofFlake // arguments;
  # In a module of its own, so that the file can set another `pkgs`.
  packages = { _module.args.pkgs = lib.mkDefault pkgs; };

  # Undeclared options: as `anything`, but lists are put together, and nothing is evaluated that is not asked for.
  freeform = lib.mkOptionType {
    name = "anything";
    merge = place: definitions:
      if builtins.all (d: isAttrs d.value && !(d.value ? outPath)) definitions then (lib.types.lazyAttrsOf freeform).merge place definitions
      else if builtins.all (d: builtins.isList d.value) definitions then concatMap (d: d.value) definitions
      else lib.types.anything.merge place definitions;
  };
  undeclared = { _module.freeformType = freeform; };

  # What a module about builders uses of other modules, unless these are there themselves. ----------------------------------
  option = type: default: lib.mkOption { inherit type default; };
  secret = folder: lib.types.attrsOf (lib.types.submodule ({ name, config, ... }: {
    freeformType = freeform;
    options.path = option lib.types.raw (folder config + "/${name}");
  }));
  standIns = {
    nix.buildMachines = option (lib.types.listOf lib.types.raw) [ ];
    nix.distributedBuilds = option lib.types.raw false;
    nix.settings = option freeform { };
    nix.extraOptions = option lib.types.lines "";
    lix.buildMachines = option freeform { };
    networking.hostName = option lib.types.str hostName;
    networking.domain = option lib.types.raw null;
    programs.ssh.extraConfig = option lib.types.lines "";
    programs.ssh.knownHosts = option (lib.types.lazyAttrsOf freeform) { };
    programs.ssh.knownHostsFiles = option (lib.types.listOf lib.types.raw) [ ];
    sops.secrets = option (secret (secret: if secret.neededForUsers or false then "/run/secrets-for-users" else "/run/secrets")) { };
    sops.templates = option (secret (template: "/run/secrets/rendered")) { };
    age.secrets = option (secret (secret: "/run/agenix")) { };
    nix.linux-builder = {
      enable = option lib.types.raw false;
      maxJobs = option lib.types.raw 1;
      protocol = option lib.types.raw "ssh-ng";
      speedFactor = option lib.types.raw 1;
      supportedFeatures = option (lib.types.listOf lib.types.raw) [ "kvm" "benchmark" "big-parallel" ];
      mandatoryFeatures = option (lib.types.listOf lib.types.raw) [ ];
      systems = option (lib.types.listOf lib.types.raw) [ "${processor}-linux" ];
    };
  };
  # nix-darwin's virtual machine, as it sets it up.
  linuxBuilder = { config, ... }:
    let machine = config.nix.linux-builder;
    in {
      config = lib.mkIf machine.enable {
        nix.distributedBuilds = true;
        nix.settings.builders-use-substitutes = true;
        nix.buildMachines = [ {
          hostName = "linux-builder";
          sshUser = "builder";
          sshKey = "/etc/nix/builder_ed25519";
          publicHostKey = "c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUpCV2N4Yi9CbGFxdDFhdU90RStGOFFVV3JVb3RpQzVxQkorVXVFV2RWQ2Igcm9vdEBuaXhvcwo=";
          inherit (machine) maxJobs protocol speedFactor supportedFeatures mandatoryFeatures systems;
        } ];
        programs.ssh.extraConfig = "Host linux-builder\n  Hostname localhost\n  HostKeyAlias linux-builder\n  Port 31022\n";
      };
    };

  evaluate = more: lib.evalModules { modules = [ (/. + file) packages undeclared ] ++ more; inherit specialArgs; };
  declared = (evaluate [ ]).options;
  missing = options: declared: listToAttrs (concatMap
    (name:
      let value = options.${name};
      in
      if !(lib.isOption value) then [ { inherit name; value = missing value (declared.${name} or { }); } ]
      else if declared ? ${name} then [ ]
      else [ { inherit name value; } ])
    (attrNames options));
  # `options.services ? x` asks whether NixOS knows x, and not whether there are services.
  areas = lib.genAttrs
    [
      "boot" "environment" "hardware" "networking" "nix" "nixpkgs" "programs" "security" "services" "system" "systemd" "users" "virtualisation"
    ]
    (area: { });
  configuration = evaluate ([ { options = areas; } { options = missing standIns declared; } ]
    ++ (if declared ? nix && declared.nix ? linux-builder then [ ] else [ linuxBuilder ]));

  # Switches that the module brings and that are off.
  switches = path: options: concatMap
    (name:
      let value = options.${name};
      in
      if name == "_module" then [ ]
      else if lib.isOption value then
        (if name == "enable" && value.value or null == false then [ (lib.concatStringsSep "." (path ++ [ name ])) ] else [ ])
      else if isAttrs value then switches (path ++ [ name ]) value
      else [ ])
    (attrNames options);
in
# What is wrong with the file itself comes up here, before any part is asked for.
seq (attrNames configuration.config) (tell {
  inherit (configuration) config;
  inherit skip;
  inherit (modules ownLib) mergeAny;
  hasPlaces = true;
  hints = {
    switches = switches [ ] declared;
    flakeModules = attrNames (configuration.config.flake.nixosModules or configuration.config.flake.darwinModules or { });
  };
})
