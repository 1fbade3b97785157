# What a configuration says of building elsewhere, part by part. What Nix cannot evaluate ends the evaluation, and only its last
# words tell which part it was: each part names itself before. It is asked again with that part in `skip`.
{ config, skip, mergeAny, hints, hasPlaces }:
let
  inherit (builtins)
    attrNames attrValues concatLists concatMap concatStringsSep deepSeq elem elemAt filter genList isAttrs isFunction isList isPath
    length listToAttrs mapAttrs readFile substring toJSON trace typeOf unsafeGetAttrPos;

  # JSON of a path would copy the file into the store, for everybody to read: a private key, perhaps.
  plain = value:
    if isPath value then toString value
    else if isList value then map plain value
    else if isFunction value then throw "a function is no value"
    else if isAttrs value then (if value ? outPath then "${value}" else mapAttrs (name: plain) value)
    else value;
  part = name: value:
    if elem name skip then { part = name; type = "failure"; }
    else trace "nixbuildfarm ${toJSON name}" (let told = plain value; in deepSeq told { part = name; type = typeOf value; value = told; });
  # What the list of parts itself depends on.
  shape = name: default: value:
    if elem name skip then default else trace "nixbuildfarm ${toJSON name}" (if value == null then default else value);

  # An attribute that comes from an expression of ours is in no file, and one of a whole system in the store or in nixpkgs.
  placeOf = field: set:
    let place = unsafeGetAttrPos field set; in if hasPlaces && place != null && substring 0 1 place.file == "/" then place else null;
  fields = name: set: mapAttrs
    (field: value: part "${name}.${field}" (mergeAny [ field ] [ value ]) // { place = placeOf field set; })
    (removeAttrs set [ "_module" ]);

  nix = config.nix or { };
  machines = shape "nix.buildMachines" [ ] (nix.buildMachines or null);
  machine = i:
    let
      name = "nix.buildMachines.${toString i}";
      value = shape name null (elemAt machines i);
    in { part = name; isSet = isAttrs value; fields = if isAttrs value then fields name value else { }; };

  lixMachines = shape "lix.buildMachines" { } ((config.lix or { }).buildMachines.machines or null);
  lixMachine = name:
    let
      part' = "lix.buildMachines.machines.${name}";
      value = shape part' null lixMachines.${name};
    in { inherit name; part = part'; isSet = isAttrs value; fields = if isAttrs value then fields part' value else { }; };

  settings = shape "nix.settings" { } (nix.settings or null);
  settingNames = filter (name: settings ? ${name}) [ "builders" "builders-use-substitutes" "max-jobs" "system-features" "extra-platforms" ];

  # SSH: NixOS' own settings, nix-darwin's files, and those of root, who runs the daemon, in home-manager. -------------------
  ssh = config.programs.ssh or { };
  knownHosts = shape "programs.ssh.knownHosts" { } (ssh.knownHosts or null);
  knownHost = name: host: part "programs.ssh.knownHosts.${name}" {
    hostNames = host.hostNames or ([ name ] ++ host.extraHostNames or [ ]);
    publicKey = if (host.publicKey or null) != null then host.publicKey else readFile host.publicKeyFile;
    certAuthority = host.certAuthority or false;
  };
  etc = config.environment.etc or { };
  etcFiles = filter (name: substring 0 17 name == "ssh/ssh_config.d/") (if isAttrs etc then attrNames etc else [ ]);
  rootBlocks = config.home-manager.users.root.programs.ssh.matchBlocks or { };
  keywords = {
    hostname = "HostName"; user = "User"; port = "Port"; proxyJump = "ProxyJump"; proxyCommand = "ProxyCommand";
    identityFile = "IdentityFile"; identitiesOnly = "IdentitiesOnly"; identityAgent = "IdentityAgent"; certificateFile = "CertificateFile";
    userKnownHostsFile = "UserKnownHostsFile";
  };
  word = value: if value == true then "yes" else if value == false then "no" else toString value;
  lines = keyword: value: map (one: "  ${keyword} ${word one}") (if value == null then [ ] else if isList value then value else [ value ]);
  block = name: found:
    let set = found.data or found;
    in concatStringsSep "\n" ([ (if (set.match or null) != null then "Match ${set.match}" else "Host ${set.host or name}") ]
      ++ concatMap (key: if set ? ${key} then lines keywords.${key} set.${key} else [ ]) (attrNames keywords)
      ++ concatLists (attrValues (mapAttrs lines (set.extraOptions or { })))) + "\n";
in
{
  distributedBuilds = part "nix.distributedBuilds" (nix.distributedBuilds or null);
  settings = listToAttrs (map (name: { inherit name; value = part "nix.settings.${name}" settings.${name}; }) settingNames);
  extraOptions = part "nix.extraOptions" (nix.extraOptions or null);
  buildMachines = genList machine (length machines);
  lixMachines = map lixMachine (attrNames lixMachines);
  sshConfig = [ (part "programs.ssh.extraConfig" (ssh.extraConfig or null)) ]
    ++ map (name: part "environment.etc.${name}" (etc.${name}.text or null)) etcFiles
    ++ map (name: part "home-manager.users.root.programs.ssh.matchBlocks.${name}" (block name rootBlocks.${name})) (attrNames rootBlocks);
  knownHosts = map (name: knownHost name knownHosts.${name}) (attrNames knownHosts);
  knownHostsFiles = part "programs.ssh.knownHostsFiles" (ssh.knownHostsFiles or null);
  hints = mapAttrs (name: part "hints.${name}") hints;
}
