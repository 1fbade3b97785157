# Evaluates a NixOS module as far as building elsewhere goes, and gives what NixosModule.cs reads. Needs nothing but Nix.
#
# What a module gets: `config`, with everything that it and its imports set; `lib`, that of nixpkgs where NIX_PATH has it,
# else the functions of lib.nix; `pkgs`, where NIX_PATH has nixpkgs. Everything else of NixOS is missing, and says so.
ownLib:
{ file }:
let
  inherit (builtins)
    all attrNames concatLists concatMap concatStringsSep deepSeq elemAt filter foldl' genericClosure genList head
    isAttrs isFunction isList isPath isString length listToAttrs mapAttrs readFile removeAttrs sort tryEval typeOf unsafeGetAttrPos;

  nixpkgs = tryEval <nixpkgs>;
  lib = if nixpkgs.success then import (nixpkgs.value + "/lib") else ownLib;
  missing = what: throw "${what} needs nixpkgs, which is not in NIX_PATH";

  # Modules: the file, and what it and its imports import, each once. --------------------------------------------------
  arguments = {
    inherit config lib;
    options = { };
    pkgs = if nixpkgs.success then import nixpkgs.value { } else missing "“pkgs”";
    modulesPath = if nixpkgs.success then nixpkgs.value + "/nixos/modules" else missing "“modulesPath”";
  };
  isFile = module: isPath module || isString module;
  load = module:
    let value = if isFile module then import module else module;
    in if isFunction value then value arguments else value;
  item = key: module: { key = if isFile module then toString module else key; content = load module; };
  modules = map (found: found.content) (genericClosure {
    startSet = [ (item "" (/. + file)) ];
    operator = found:
      let imports = found.content.imports or [ ];
      in genList (i: item "${found.key}:${toString i}" (elemAt imports i)) (length imports);
  });

  # Values wrapped by mkIf, mkMerge, mkForce … ------------------------------------------------------------------------
  isWrapped = type: value: isAttrs value && (value._type or null) == type;

  # The value inside, without asking conditions: these may need the very option that is being put together.
  inside = value:
    if isWrapped "if" value || isWrapped "override" value || isWrapped "order" value then inside value.content
    else if isWrapped "merge" value then (if value.contents == [ ] then { } else inside (head value.contents))
    else value;

  # mkIf c { a = 1; b = 2; } is { a = mkIf c 1; b = mkIf c 2; }.
  pushDown = value:
    let under = wrap: map (mapAttrs (name: content: wrap // { inherit content; })) (pushDown value.content);
    in
    if isWrapped "if" value then under { _type = "if"; inherit (value) condition; }
    else if isWrapped "override" value then under { _type = "override"; inherit (value) priority; }
    else if isWrapped "order" value then under { _type = "order"; inherit (value) priority; }
    else if isWrapped "merge" value then concatMap pushDown value.contents
    else [ value ];

  # The definitions whose conditions hold, with their priority and their place in the order.
  holding = value:
    if isWrapped "if" value then (if value.condition then holding value.content else [ ])
    else if isWrapped "merge" value then concatMap holding value.contents
    else if isWrapped "override" value then map (d: d // { inherit (value) priority; }) (holding value.content)
    else if isWrapped "order" value then map (d: d // { order = value.priority; }) (holding value.content)
    else [ { priority = 100; order = 1000; inherit value; } ];

  # The value of an option of which there are several definitions: attributes one by one, lists and lines one after another.
  merge = definitions:
    let
      held = concatMap holding definitions;
      strongest = foldl' (least: d: if d.priority < least then d.priority else least) 10000 held;
      values = map (d: d.value) (sort (a: b: a.order < b.order) (filter (d: d.priority == strongest) held));
    in
    if all (d: isAttrs (inside d) && !(inside d ? outPath)) definitions then mergeSets (concatMap pushDown definitions)
    else if values == [ ] then null
    else if length values == 1 then head values
    else if all isList values then concatLists values
    else if all isString values then concatStringsSep "\n" values
    else if all (value: value == head values) values then head values
    else throw "an option has several values that exclude each other";
  mergeSets = sets:
    let names = attrNames (foldl' (seen: set: seen // set) { } sets);
    in listToAttrs (map (name: { inherit name; value = merge (concatMap (set: if set ? ${name} then [ set.${name} ] else [ ]) sets); }) names);

  # Defaults of options that a module declares itself.
  defaults = mapAttrs (name: option:
    if isWrapped "option" option
    then { _type = "override"; priority = 1500; content = option.default or (throw "the option ${name} has no value"); }
    else defaults option);
  definitionsOf = module:
    if module ? config || module ? options
    then [ (defaults (module.options or { })) (module.config or { }) ]
    else [ (removeAttrs module [ "imports" "disabledModules" "_file" "_class" "key" "meta" ]) ];
  config = merge (concatMap definitionsOf modules);

  # What is told. -----------------------------------------------------------------------------------------------------
  orElse = default: value: if value == null then default else value;

  # JSON of a path would copy the file into the store, for everybody to read: a private key, perhaps.
  plain = value:
    if isPath value then toString value
    else if isList value then map plain value
    else if isFunction value then throw "a function is no value"
    else if isAttrs value then (if value ? outPath then "${value}" else mapAttrs (name: plain) value)
    else value;
  told = value:
    let result = tryEval (deepSeq (plain value) (plain value));
    in if result.success then { inherit (result) value; type = typeOf value; } else { type = "failure"; };

  nix = config.nix or { };
  settings = orElse { } (nix.settings or null);
  setting = name: if settings ? ${name} then { ${name} = plain settings.${name}; } else { };

  machine = entry: {
    isSet = isAttrs entry;
    fields =
      if isAttrs entry
      then mapAttrs (name: value: told (merge [ value ]) // { place = unsafeGetAttrPos name entry; }) entry
      else { };
  };

  ssh = config.programs.ssh or { };
  knownHost = name: host: {
    hostNames = host.hostNames or ([ name ] ++ host.extraHostNames or [ ]);
    publicKey = if (host.publicKey or null) != null then host.publicKey else readFile host.publicKeyFile;
    certAuthority = host.certAuthority or false;
  };
  knownHosts = orElse { } (ssh.knownHosts or null);
in
{
  distributedBuilds = orElse false (nix.distributedBuilds or null);
  settings = foldl' (set: name: set // setting name) { } [ "builders-use-substitutes" "max-jobs" "system-features" "extra-platforms" ];
  extraOptions = orElse "" (nix.extraOptions or null);
  buildMachines = map machine (orElse [ ] (nix.buildMachines or null));
  sshConfig = orElse "" (ssh.extraConfig or null);
  knownHosts = map (name: knownHost name knownHosts.${name}) (attrNames knownHosts);
  knownHostsFiles = map toString (orElse [ ] (ssh.knownHostsFiles or null));
}
