# A small module system after nixpkgs': evalModules, types, mkIf and the like, for where nixpkgs is not at hand. It differs in one
# thing: whatever is set without being declared is allowed, since a single module rarely brings all that it uses.
lib:
let
  inherit (builtins)
    all any attrNames concatLists concatMap concatStringsSep elem elemAt filter foldl' functionArgs genericClosure genList head isAttrs
    isBool isFloat isFunction isInt isList isPath isString length listToAttrs mapAttrs removeAttrs sort;

  show = concatStringsSep ".";
  isWrapped = type: value: isAttrs value && (value._type or null) == type;
  isOption = isWrapped "option";
  isSet = value: isAttrs value && !(value ? outPath);

  # Values wrapped by mkIf, mkMerge, mkForce … ------------------------------------------------------------------------

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

  # The strongest definitions, in their order.
  strongest = held:
    let least = foldl' (seen: d: if d.priority < seen then d.priority else seen) 10000 held;
    in map (d: d // { file = ""; }) (sort (a: b: a.order < b.order) (filter (d: d.priority == least) held));
  valuesOf = map (d: d.value);

  namesOf = sets: attrNames (foldl' (seen: set: seen // set) { } sets);
  definitionsOf = name: concatMap (set: if set ? ${name} then [ set.${name} ] else [ ]);

  # Of what nobody declares: attributes one by one, lists and lines one after another; null where no condition holds.
  mergeAny = path: definitions:
    let held = strongest (concatMap holding definitions);
    in
    if all (d: isSet (inside d)) definitions then mergeSets path (concatMap pushDown definitions)
    else if held == [ ] then null
    else mergeValues path (valuesOf held);
  mergeSets = path: sets: listToAttrs (map
    (name: { inherit name; value = mergeAny (path ++ [ name ]) (definitionsOf name sets); }) (namesOf sets));
  mergeValues = path: values:
    if all isSet values then mergeSets path (concatMap pushDown values)
    else if all isList values then concatLists values
    else if all (value: value == head values) values then head values
    else if all isString values then concatStringsSep "\n" values
    else throw "the option ${show path} has several values that exclude each other";

  # Types: `merge` makes one value of the definitions that hold, as nixpkgs' types do. ----------------------------------
  type = name: check: merge: { _type = "option-type"; inherit name check merge; };
  ofValues = name: check: merge: type name check (path: definitions: merge path (valuesOf definitions));
  any' = value: true;
  one = name: check: ofValues name check (path: values:
    if length values == 1 || all (value: value == head values) values then head values
    else throw "the option ${show path} has several values that exclude each other");
  joined = separator: ofValues "string" isString (path: concatStringsSep separator);
  text = one "str" isString;
  whole = one "int" isInt;
  number = one "number" (value: isInt value || isFloat value);
  mergeAs = element: path: definitions:
    let held = strongest (concatMap holding definitions);
    in if held == [ ] then throw "the option ${show path} has no value" else element.merge path held;
  attributes = isLazy: element: ofValues "attrsOf" isAttrs (path: values:
    let
      sets = concatMap pushDown values;
      holds = name: isLazy || concatMap holding (definitionsOf name sets) != [ ];
    in listToAttrs (map
      (name: { inherit name; value = mergeAs element (path ++ [ name ]) (definitionsOf name sets); })
      (filter holds (namesOf sets))));
  isModule = value: isAttrs value || isFunction value || isPath value;
  submodules = modules: specialArgs: ofValues "submodule" isModule (path: values: (evalModules {
    modules = modules ++ map (value: if isAttrs value then { config = value; } else value) values;
    specialArgs = { name = if path == [ ] then "" else elemAt path (length path - 1); } // specialArgs;
  }).config);
  either = a: b: type "either" (value: a.check value || b.check value)
    (path: definitions: (if all a.check (valuesOf definitions) then a else b).merge path definitions);

  types = rec {
    anything = ofValues "anything" any' mergeValues;
    raw = one "raw" any';
    bool = one "bool" isBool; int = whole; float = number; port = whole;
    str = text; nonEmptyStr = text; singleLineStr = text; passwdEntry = _: text;
    strMatching = _: text;
    lines = joined "\n"; commas = joined ","; envVar = joined ":"; separatedString = joined;
    path = one "path" (value: isPath value || isString value || value ? outPath); pathInStore = path; pathWith = _: path;
    package = one "package" isAttrs; shellPackage = package; pkgs = raw; unspecified = anything; optionType = raw;
    ints = {
      positive = whole; unsigned = whole; between = _: _: whole;
      u8 = whole; u16 = whole; u32 = whole; s8 = whole; s16 = whole; s32 = whole;
    };
    numbers = { positive = number; nonnegative = number; between = _: _: number; };
    inherit number either;
    enum = allowed: one "enum" (value: elem value allowed);
    attrs = ofValues "attrs" isAttrs (path: foldl' (merged: set: merged // set) { });
    listOf = element: ofValues "listOf" isList (path: values:
      concatMap (item: map (d: element.merge (path ++ [ "*" ]) [ (d // { file = ""; }) ]) (holding item)) (concatLists values));
    nonEmptyListOf = listOf;
    attrsOf = attributes false; lazyAttrsOf = attributes true; attrsWith = { elemType, lazy ? false, ... }: attributes lazy elemType;
    nullOr = element: type "nullOr" (value: value == null || element.check value) (path: definitions:
      if all (d: d.value == null) definitions then null else element.merge path (filter (d: d.value != null) definitions));
    submodule = module: submodules [ module ] { };
    submoduleWith = { modules, specialArgs ? { }, ... }: submodules modules specialArgs;
    deferredModule = ofValues "deferredModule" any' (path: values: { imports = values; }); deferredModuleWith = _: deferredModule;
    oneOf = all: foldl' either (head all) (builtins.tail all);
    coercedTo = from: coerce: to: type "coercedTo" (value: from.check value || to.check value) (path: definitions:
      to.merge path (map (d: d // { value = if from.check d.value then coerce d.value else d.value; }) definitions));
    functionTo = _: raw; uniq = element: element; unique = _: element: element; addCheck = element: _: element;
  };

  # Modules ---------------------------------------------------------------------------------------------------------------
  isFile = module: isPath module || isString module || (isAttrs module && module ? outPath);
  evalModules = { modules, specialArgs ? { }, prefix ? [ ], ... }:
    let
      given = { inherit config options lib specialArgs; } // specialArgs;
      argument = name: given.${name} or (config._module or { }).args.${name}
        or (throw "the module asks for the argument “${name}”, which is not given");
      # Arguments are lazy: one that is asked for and not used need not be there.
      call = function: function (given // mapAttrs (name: _: argument name) (functionArgs function));
      load = module:
        let value = if isFile module then import module else module;
        in if isFunction value || value ? __functor then call value else value;
      keyOf = above: i: module: if isFile module then "${module}" else module.key or "${above}:${toString i}";
      # "${path}" would copy the file into the store.
      item = above: i: module: { key = keyOf above i (if isPath module then toString module else module); content = load module; };
      importsOf = found:
        let
          isOfNixos = module: isString module && lib.hasPrefix lib.modulesPathWithoutNixpkgs module;
          imports = filter (module: !(isOfNixos module)) (found.content.imports or [ ]);
        in genList (i: item found.key i (elemAt imports i)) (length imports);
      closure = keep: map (found: found.content) (genericClosure {
        startSet = genList (i: item "module" i (elemAt modules i)) (length modules);
        operator = found: filter keep (importsOf found);
      });
      disabled = map (module: if isAttrs module then module.key else toString module)
        (concatMap (content: content.disabledModules or [ ]) (closure (found: true)));
      contents = if disabled == [ ] then closure (found: true) else closure (found: !(elem found.key disabled));

      isPlain = content: !(content ? config || content ? options);
      configOf = content:
        if content ? _type then content
        else if isPlain content then removeAttrs content [ "imports" "disabledModules" "_file" "_class" "key" "meta" "freeformType" ]
        else content.config or { };
      declared = mergeOptions (map (content: content.options or { }) contents);
      mergeOptions = sets: listToAttrs (map
        (name:
          let found = definitionsOf name sets;
          in {
            inherit name;
            value = if any isOption found then foldl' (merged: option: merged // option) { } found else mergeOptions found;
          })
        (namesOf sets));

      sets = concatMap pushDown (map configOf contents);
      # What is declared follows from declarations alone: a module may ask it before it sets anything.
      options = optionsOf prefix declared sets;
      optionsOf = path: declared: sets: mapAttrs
        (name: value:
          let
            here = path ++ [ name ];
            definitions = definitionsOf name sets;
          in if isOption value then evaluated here value definitions else optionsOf here value (concatMap pushDown definitions))
        declared;
      evaluated = path: option: definitions:
        let
          held = concatMap holding definitions;
          all = held ++ (if option ? default then [ { priority = 1500; order = 1000; value = option.default; } ] else [ ]);
          value = (option.apply or (value: value))
            (if all == [ ] then throw "the option ${show path} has no value"
            else (option.type or types.anything).merge path (strongest all));
        in option // { inherit value; isDefined = held != [ ]; definitions = map (d: d.value) held; loc = path; };

      # Declared options by their types, everything else as it comes.
      config = valuesOfAll prefix options sets;
      valuesOfAll = path: options: sets: listToAttrs (map
        (name:
          let
            here = path ++ [ name ];
            definitions = definitionsOf name sets;
          in {
            inherit name;
            value =
              if !(options ? ${name}) then mergeAny here definitions
              else if isOption options.${name} then options.${name}.value
              else valuesOfAll here options.${name} (concatMap pushDown definitions);
          })
        (namesOf ([ options ] ++ sets)));
    in
    { inherit config options; };

  wrap = _type: more: content: more // { inherit _type content; };
in
rec {
  inherit evalModules types isOption mergeAny;

  mkIf = condition: wrap "if" { inherit condition; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkOverride = priority: wrap "override" { inherit priority; };
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  mkImageMediaOverride = mkOverride 60;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;
  mkOrder = priority: wrap "order" { inherit priority; };
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  mkAssert = condition: message: content: if condition then content else throw message;
  mkDerivedConfig = option: function: mkIf option.isDefined (function option.value);

  mkOption = option: option // { _type = "option"; };
  mkEnableOption = description: mkOption { default = false; inherit description; type = types.bool; };
  mkPackageOption = pkgs: name: { default ? name, nullable ? false, ... }:
    mkOption { type = types.raw; default = if default == null then null else lib.getAttrFromPath (lib.toList default) pkgs; };
  mkOptionType = { name, check ? any', merge ? null, ... }:
    if merge == null then one name check else type name check merge;
  # They are about options of other versions, which a module about builders does not set.
  mkRenamedOptionModule = from: to: { };
  mkRemovedOptionModule = from: why: { };
  mkAliasOptionModule = from: to: { };
  mkChangedOptionModule = from: to: change: { };
  setDefaultModuleLocation = file: module: { imports = [ module ]; };
  literalExpression = text: text;
  literalMD = text: text;
  mdDoc = text: text;
}
