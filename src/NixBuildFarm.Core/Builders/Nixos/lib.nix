# The functions of nixpkgs' lib that a module about builders is likely to use, by their names there; modules.nix has those of modules.
let
  inherit (builtins)
    attrNames concatMap concatStringsSep elem elemAt filter foldl' fromJSON genList hasAttr head isAttrs isFunction isInt isList isString
    length listToAttrs map mapAttrs readFile replaceStrings split stringLength substring tail;
in
rec {
  # What modulesPath is without nixpkgs: modules of NixOS itself are left out, since they bring no builders.
  modulesPathWithoutNixpkgs = "/nixpkgs-is-not-in-NIX_PATH/nixos/modules";

  # Conditions as values.
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  optionalString = condition: text: if condition then text else "";
  id = value: value;
  const = value: ignored: value;
  flip = function: a: b: function b a;
  pipe = foldl' (value: function: function value);
  fix = function: let value = function value; in value;
  inherit (builtins) functionArgs isFunction isBool isInt isFloat isPath seq deepSeq tryEval trace compareVersions lessThan bitAnd bitOr;
  defaultTo = default: value: if value == null then default else value;
  mapNullable = function: value: if value == null then null else function value;
  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  mod = a: b: a - b * (a / b);
  versionAtLeast = a: b: compareVersions a b >= 0;
  versionOlder = a: b: compareVersions a b < 0;

  # Files.
  inherit (builtins) pathExists readDir;
  importJSON = path: fromJSON (readFile path);
  importTOML = path: builtins.fromTOML (readFile path);
  fileContents = path: removeSuffix "\n" (readFile path);
  listFilesRecursive = folder: flatten (mapAttrsToList
    (name: kind: if kind == "directory" then listFilesRecursive (folder + "/${name}") else folder + "/${name}") (readDir folder));

  # Lists.
  inherit (builtins) all any concatLists concatMap elem elemAt filter foldl' genList head length map sort tail;
  foldr = function: start: list: if list == [ ] then start else function (head list) (foldr function start (tail list));
  forEach = list: function: map function list;
  imap0 = function: list: genList (i: function i (elemAt list i)) (length list);
  imap1 = function: list: genList (i: function (i + 1) (elemAt list i)) (length list);
  range = first: last: if first > last then [ ] else genList (i: first + i) (last - first + 1);
  replicate = count: value: genList (i: value) count;
  flatten = value: if isList value then concatMap flatten value else [ value ];
  toList = value: if isList value then value else [ value ];
  singleton = value: [ value ];
  unique = foldl' (seen: value: if elem value seen then seen else seen ++ [ value ]) [ ];
  remove = value: filter (other: other != value);
  subtractLists = without: filter (value: !(elem value without));
  intersectLists = other: filter (value: elem value other);
  last = list: elemAt list (length list - 1);
  init = list: take (length list - 1) list;
  drop = count: list: genList (i: elemAt list (i + count)) (max 0 (length list - count));
  sublist = start: count: list: take count (drop start list);
  reverseList = list: genList (i: elemAt list (length list - 1 - i)) (length list);
  fold = foldr;
  foldl = foldl';
  count = test: list: length (filter test list);
  inherit (builtins) partition groupBy;
  sortOn = key: builtins.sort (a: b: key a < key b);
  naturalSort = builtins.sort (a: b: a < b);
  zipLists = zipListsWith (fst: snd: { inherit fst snd; });
  crossLists = function: foldl' (functions: list: concatMap (f: map f list) functions) [ function ];
  findSingle = test: none: several: list:
    let found = filter test list; in if found == [ ] then none else if length found > 1 then several else head found;
  take = count: list: genList (elemAt list) (if count < length list then count else length list);
  zipListsWith = function: a: b: genList (i: function (elemAt a i) (elemAt b i)) (if length a < length b then length a else length b);
  findFirst = test: default: list: let found = filter test list; in if found == [ ] then default else head found;

  # Sets.
  inherit (builtins) attrNames attrValues hasAttr getAttr isAttrs listToAttrs mapAttrs removeAttrs intersectAttrs;
  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: function: listToAttrs (map (name: nameValuePair name (function name)) names);
  mapAttrsToList = function: set: map (name: function name set.${name}) (attrNames set);
  mapAttrs' = function: set: listToAttrs (mapAttrsToList function set);
  filterAttrs = test: set: listToAttrs (concatMap
    (name: optional (test name set.${name}) (nameValuePair name set.${name}))
    (attrNames set));
  concatMapAttrs = function: set: mergeAttrsList (mapAttrsToList function set);
  mergeAttrsList = foldl' (merged: part: merged // part) { };
  recursiveUpdate = a: b: a // mapAttrs
    (name: value: if isAttrs value && isAttrs (a.${name} or null) then recursiveUpdate a.${name} value else value)
    b;
  attrByPath = path: default: set:
    if path == [ ] then set
    else if isAttrs set && hasAttr (head path) set then attrByPath (tail path) default set.${head path}
    else default;
  hasAttrByPath = path: set: path == [ ] || (isAttrs set && hasAttr (head path) set && hasAttrByPath (tail path) set.${head path});
  getAttrFromPath = path: set: attrByPath path (throw "there is no ${concatStringsSep "." path}") set;
  getAttrs = names: set: genAttrs names (name: set.${name});
  attrVals = names: set: map (name: set.${name}) names;
  attrsToList = mapAttrsToList nameValuePair;
  inherit (builtins) catAttrs zipAttrsWith;
  zipAttrs = zipAttrsWith (name: values: values);
  foldAttrs = function: start: sets: mapAttrs (name: foldr function start) (zipAttrs sets);
  foldlAttrs = function: start: set: foldl' (value: name: function value name set.${name}) start (attrNames set);
  mapAttrsRecursive = mapAttrsRecursiveCond (set: true);
  mapAttrsRecursiveCond = condition: function:
    let
      go = path: mapAttrs (name: value:
        let here = path ++ [ name ]; in if isAttrs value && condition value then go here value else function here value);
    in go [ ];
  filterAttrsRecursive = test: set: mapAttrs
    (name: value: if isAttrs value then filterAttrsRecursive test value else value)
    (filterAttrs test set);
  collect = test: set: if test set then [ set ] else if isAttrs set then concatMap (collect test) (builtins.attrValues set) else [ ];
  cartesianProduct = foldlAttrs
    (sets: name: values: concatMap (set: map (value: set // { ${name} = value; }) values) sets)
    [ { } ];
  cartesianProductOfSets = cartesianProduct;
  mapCartesianProduct = function: sets: map function (cartesianProduct sets);
  isDerivation = value: value.type or null == "derivation";
  matchAttrs = pattern: set: builtins.all
    (name: set ? ${name} && (if isAttrs pattern.${name} then matchAttrs pattern.${name} set.${name} else set.${name} == pattern.${name}))
    (attrNames pattern);
  setAttrByPath = path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };

  # Texts.
  inherit (builtins) concatStringsSep replaceStrings stringLength substring isString toString fromJSON toJSON;
  concatStrings = concatStringsSep "";
  concatMapStrings = function: list: concatStrings (map function list);
  concatMapStringsSep = separator: function: list: concatStringsSep separator (map function list);
  concatImapStringsSep = separator: function: list: concatStringsSep separator (imap1 function list);
  concatMapAttrsStringSep = separator: function: set: concatStringsSep separator (mapAttrsToList function set);
  concatLines = concatMapStrings (line: line + "\n");
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix = suffix: text:
    stringLength text >= stringLength suffix && substring (stringLength text - stringLength suffix) (stringLength suffix) text == suffix;
  removePrefix = prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix = suffix: text: if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;
  splitString = separator: text:
    let special = [ "\\" "." "+" "*" "?" "|" "(" ")" "[" "]" "^" "$" "{" "}" ];
    in filter isString (split (replaceStrings special (map (c: "\\" + c) special) separator) text);
  toInt = text: let number = fromJSON text; in if isInt number then number else throw "“${text}” is no whole number";
  hasInfix = infix: text: length (splitString infix text) > 1;
  toLower = replaceStrings upperChars lowerChars;
  toUpper = replaceStrings lowerChars upperChars;
  lowerChars = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  upperChars = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  stringToCharacters = text: genList (i: substring i 1 text) (stringLength text);
  trim = text: let found = builtins.match "[ \t\r\n]*(.*[^ \t\r\n])[ \t\r\n]*" text; in if found == null then "" else head found;
  escapeShellArg = text: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  fixedWidthString = width: filler: text: if stringLength text >= width then text else fixedWidthString width filler (filler + text);
  fixedWidthNumber = width: number: fixedWidthString width "0" (toString number);
  boolToString = value: if value then "true" else "false";
  getName = value: if isString value then value else value.pname or value.name;

  # Whom to tell.
  warn = message: value: builtins.trace "warning: ${message}" value;
  warnIf = condition: message: value: if condition then warn message value else value;
  traceVal = value: value;
  throwIfNot = condition: throwIf (!condition);
  showWarnings = warnings: value: foldl' (value: message: warn message value) value warnings;
  throwIf = condition: message: value: if condition then throw message else value;
  assertMsg = condition: message: condition || throw message;
}
