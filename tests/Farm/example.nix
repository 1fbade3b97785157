# A small project as a graph of derivations: libraries, tools, programs, and a release that has them all.
# No compiler and no network: sleeping stands for compiling. Another version is another set of derivations.
{ version ? "1.0", system ? "x86_64-linux" }:
let
  # A package that takes so many seconds and needs these others. It tells its phases as Nix's stdenv does,
  # and its output lists what it was made from.
  package = name: seconds: inputs: derivation {
    name = "${name}-${version}";
    inherit system inputs seconds;
    pname = name;
    builder = "/bin/sh";
    args = [
      "-euc"
      ''
        PATH=/bin
        phase() { echo "@nix { \"action\": \"setPhase\", \"phase\": \"$1\" }" >&2; }
        read -r host < /proc/sys/kernel/hostname
        phase configurePhase
        echo "configuring $name on $host"
        for input in $inputs; do echo "using $(head -n 1 $input/package)"; done
        phase buildPhase
        echo "compiling $name for $seconds s"
        sleep $seconds
        phase installPhase
        mkdir $out
        echo "$name" > $out/package
        for input in $inputs; do sed 's/^/  /' $input/package; done >> $out/package
        echo "installed $name"
      ''
    ];
  };

  # The bottom: everything waits for libc.
  libc = package "libc" "0.8" [ ];
  kernel-headers = package "kernel-headers" "0.2" [ ];
  zlib = package "zlib" "0.4" [ libc ];
  ncurses = package "ncurses" "0.6" [ libc ];
  expat = package "expat" "0.5" [ libc ];
  libffi = package "libffi" "0.4" [ libc ];
  gmp = package "gmp" "1.2" [ libc ];
  pcre = package "pcre" "0.9" [ libc ];
  libuv = package "libuv" "0.7" [ libc kernel-headers ];
  unicode-data = package "unicode-data" "0.3" [ ];
  readline = package "readline" "0.4" [ ncurses ];
  sqlite = package "sqlite" "1.6" [ readline zlib ];
  lua = package "lua" "0.6" [ readline ];
  openssl = package "openssl" "2.4" [ zlib ];
  libpng = package "libpng" "0.5" [ zlib ];
  libjpeg = package "libjpeg" "0.7" [ libc ];
  freetype = package "freetype" "0.8" [ libpng expat ];
  harfbuzz = package "harfbuzz" "1.4" [ freetype unicode-data ];
  libxml = package "libxml" "1.1" [ zlib expat ];
  nettle = package "nettle" "0.8" [ gmp ];
  glib = package "glib" "1.8" [ libffi pcre zlib ];
  cairo = package "cairo" "1.2" [ freetype glib libpng ];
  pango = package "pango" "0.8" [ cairo harfbuzz ];
  curl = package "curl" "1.1" [ openssl zlib ];
  libgit = package "libgit" "1.3" [ openssl pcre ];
  imagelib = package "imagelib" "1.0" [ libjpeg libpng ];
  protocol = package "protocol" "0.6" [ libuv nettle ];

  # The project itself.
  core = package "core" "1.0" [ glib sqlite protocol ];
  scripting = package "scripting" "0.5" [ core lua ];
  plugin-git = package "plugin-git" "0.6" [ core libgit ];
  plugin-http = package "plugin-http" "0.6" [ core curl ];
  plugin-image = package "plugin-image" "0.7" [ core imagelib ];
  translations = package "translations" "0.3" [ unicode-data ];
  manual = package "manual" "0.9" [ libxml pango ];
  server = package "server" "0.8" [ core plugin-http scripting ];
  client = package "client" "0.9" [ core pango plugin-image ];
  app = package "app" "0.5" [ client plugin-git scripting translations ];
  checks = package "checks" "0.7" [ app server ];
  release = package "release" "0.2" [ app server manual checks ];
in
{ inherit release app server manual checks; }
