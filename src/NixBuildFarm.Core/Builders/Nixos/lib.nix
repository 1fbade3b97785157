# The functions of nixpkgs' lib that a module about builders is likely to use, by their names there.
let
  inherit (builtins)
    attrNames concatMap concatStringsSep elem elemAt filter foldl' fromJSON genList hasAttr head isAttrs isInt isList isString
    length listToAttrs map mapAttrs replaceStrings split stringLength substring tail;
  wrap = _type: more: content: more // { inherit _type content; };
in
rec {
  # Conditions, priorities, order.
  mkIf = condition: wrap "if" { inherit condition; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkOverride = priority: wrap "override" { inherit priority; };
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;
  mkOrder = priority: wrap "order" { inherit priority; };
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;

  # Options that a module declares; their types are not checked.
  mkOption = option: option // { _type = "option"; };
  mkEnableOption = description: mkOption { default = false; inherit description; };
  types =
    let plain = { }; of = element: plain; ofTwo = a: b: plain;
    in {
      bool = plain; int = plain; float = plain; number = plain; str = plain; lines = plain; path = plain; port = plain; package = plain;
      attrs = plain; anything = plain; raw = plain; unspecified = plain; nonEmptyStr = plain; singleLineStr = plain; commas = plain;
      ints = { positive = plain; unsigned = plain; u8 = plain; u16 = plain; u32 = plain; between = ofTwo; };
      listOf = of; attrsOf = of; lazyAttrsOf = of; nullOr = of; enum = of; submodule = of; strMatching = of; oneOf = of; uniq = of;
      either = ofTwo; separatedString = of;
    };

  # Conditions as values.
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  optionalString = condition: text: if condition then text else "";
  id = value: value;
  const = value: ignored: value;
  flip = function: a: b: function b a;
  pipe = foldl' (value: function: function value);

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
  last = list: elemAt list (length list - 1);
  take = count: list: genList (elemAt list) (if count < length list then count else length list);
  zipListsWith = function: a: b: genList (i: function (elemAt a i) (elemAt b i)) (if length a < length b then length a else length b);
  findFirst = test: default: list: let found = filter test list; in if found == [ ] then default else head found;

  # Sets.
  inherit (builtins) attrNames attrValues hasAttr getAttr isAttrs listToAttrs mapAttrs removeAttrs intersectAttrs;
  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: function: listToAttrs (map (name: nameValuePair name (function name)) names);
  mapAttrsToList = function: set: map (name: function name set.${name}) (attrNames set);
  mapAttrs' = function: set: listToAttrs (mapAttrsToList function set);
  filterAttrs = test: set: listToAttrs (concatMap (name: optional (test name set.${name}) (nameValuePair name set.${name})) (attrNames set));
  concatMapAttrs = function: set: mergeAttrsList (mapAttrsToList function set);
  mergeAttrsList = foldl' (merged: part: merged // part) { };
  recursiveUpdate = a: b: a // mapAttrs (name: value: if isAttrs value && isAttrs (a.${name} or null) then recursiveUpdate a.${name} value else value) b;
  attrByPath = path: default: set:
    if path == [ ] then set else if isAttrs set && hasAttr (head path) set then attrByPath (tail path) default set.${head path} else default;
  hasAttrByPath = path: set: path == [ ] || (isAttrs set && hasAttr (head path) set && hasAttrByPath (tail path) set.${head path});
  setAttrByPath = path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };

  # Texts.
  inherit (builtins) concatStringsSep replaceStrings stringLength substring isString toString fromJSON toJSON;
  concatStrings = concatStringsSep "";
  concatMapStrings = function: list: concatStrings (map function list);
  concatMapStringsSep = separator: function: list: concatStringsSep separator (map function list);
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
  boolToString = value: if value then "true" else "false";
  getName = value: if isString value then value else value.pname or value.name;

  # Whom to tell.
  warn = message: value: builtins.trace "warning: ${message}" value;
  warnIf = condition: message: value: if condition then warn message value else value;
  throwIf = condition: message: value: if condition then throw message else value;
  assertMsg = condition: message: condition || throw message;
}
