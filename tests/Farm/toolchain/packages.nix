# What the tests of shared compilation build, with the toolchain that make.sh makes. `tag` makes another derivation of the same
# build, `units` says how many the generated program has, `features` what a builder has to have. `helper` is a feature of a
# builder that has to be there before: what is built needs something small of it.
{ gcc, wrapper, shimSource ? null, sources ? null, tag ? "", units ? 300, features ? [ ], helper ? null }:
let
  compiler = builtins.storePath gcc;
  make = name: attributes: derivation ({
    inherit name tag;
    requiredSystemFeatures = features;
    first = if helper == null then null else derivation {
      name = "first-${tag}";
      system = "x86_64-linux";
      # Content-addressed, so that a builder which does not trust us takes it.
      outputHashAlgo = "sha256";
      outputHashMode = "flat";
      outputHash = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b";
      requiredSystemFeatures = [ helper ];
      builder = "${compiler}/bin/bash";
      args = [ "-c" "echo > $out" ];
    };
    system = "x86_64-linux";
    builder = "${compiler}/bin/bash";
    PATH = "${builtins.storePath wrapper}/bin:${compiler}/bin";
    SHELL = "${compiler}/bin/bash";
    LC_ALL = "C";
    SOURCE_DATE_EPOCH = "1";
    NIX_CFLAGS_COMPILE = "-frandom-seed=${name}";
  } // attributes);
  script = file: [ "-eu" file ];
in rec {
  # The shim and the folder that takes the place of the compiler's, as a run makes them.
  shim = derivation {
    name = "nixbuildfarm-shim";
    system = "x86_64-linux";
    builder = "${builtins.storePath wrapper}/bin/gcc";
    args = [ "-std=gnu11" "-O2" "-s" "-Wall" "-Wextra" "-Werror" "-o" (placeholder "out") "${shimSource}/shim.c" ];
  };
  shadow = derivation {
    name = "nixbuildfarm-shadow";
    system = "x86_64-linux";
    builder = shim;
    args = [ "shadow" ];
    toolchain = compiler;
  };

  # Calls of the compiler of every kind; the output has their messages, exit codes and files.
  zoo = make "zoo" { args = script ./zoo.sh; src = ./zoo; };

  # A C++ program of many units that share headers and templates.
  program = make "program" { args = script ./program.sh; units = toString units; };

  lua = make "lua-5.4.4" {
    src = sources + "/lua.tar.gz";
    args = script (builtins.toFile "lua.sh" ''
      tar xf $src
      cd lua-*
      make -j$NIX_BUILD_CORES -C src all CC="gcc -std=gnu99" MYCFLAGS="-O1 -g -DLUA_USE_LINUX" MYLIBS=-ldl AR="ar rcD" RANLIB="ranlib -D" SHELL=$SHELL
      mkdir -p $out/objects
      cp src/lua src/luac src/liblua.a $out
      cp src/*.o $out/objects
      exit 0
    '');
  };

  # One of its programs, and some larger units of its server.
  redis = make "redis-7.0.15" {
    src = sources + "/redis.tar.gz";
    args = script (builtins.toFile "redis.sh" ''
      tar xf $src
      cd redis-*
      sed -i "1s,.*,#!$SHELL," src/mkreleasehdr.sh
      make -C deps SHELL=$SHELL -j$NIX_BUILD_CORES hiredis linenoise hdr_histogram CFLAGS=
      make SHELL=$SHELL -j$NIX_BUILD_CORES -C src MALLOC=libc OPTIMIZATION= REDIS_CFLAGS="-O1 -g" V=1 \
        DEPENDENCY_TARGETS="hiredis linenoise hdr_histogram" \
        redis-benchmark rdb.o t_list.o t_string.o
      mkdir -p $out/objects
      cp src/redis-benchmark $out
      cp src/*.o $out/objects
      exit 0
    '');
  };
}
