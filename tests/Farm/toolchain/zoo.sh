# Builder: runs calls of the compiler of every kind in a copy of $src, and keeps what each says, its exit code and its files.
cp -r "$src" zoo
chmod -R u+w zoo
cd zoo
here=$PWD
ln -s ../inc sub/linked
ln -s "$here" ../alias
mkdir -p "$out/cases" o
call() {
  local name=$1 code=0
  shift
  "$@" > "$out/cases/$name.stdout" 2> "$out/cases/$name.stderr" < /dev/null || code=$?
  echo "$code" > "$out/cases/$name.code"
}
# Several at a time, since one at a time would always find a free slot at home.
begun=0 at_a_time=6
case_() {
  call "$@" &
  begun=$((begun + 1))
  [ $((begun % at_a_time)) != 0 ] || wait
}
x() { bash -c "$1"; }
strict="-Wall -Wextra -Wpedantic -Wshadow -Wconversion"

# Debug information, optimisation, the kind of code.
case_ plain g++ -Iinc -c main.cc -o o/plain.o
case_ o2-g g++ $strict -O2 -g -Iinc -c main.cc -o o/o2-g.o
case_ g3 g++ -O2 -g3 -Iinc -c main.cc -o o/g3.o
case_ ggdb g++ -O0 -ggdb -gno-column-info -Iinc -c main.cc -o o/ggdb.o
case_ dwarf-4 g++ -O1 -gdwarf-4 -gz -Iinc -c main.cc -o o/dwarf-4.o
case_ split-dwarf g++ -O2 -g -gsplit-dwarf -Iinc -c main.cc -o o/split-dwarf.o
case_ debug-types g++ -g -fdebug-types-section -Iinc -c main.cc -o o/debug-types.o
case_ lto g++ -O2 -g -flto -Iinc -c main.cc -o o/lto.o
case_ lto-fat g++ -O2 -g -flto -ffat-lto-objects -Iinc -c main.cc -o o/lto-fat.o
case_ lto-link x 'gcc -O2 -flto c.c call.c -o o/lto-link && o/lto-link'
case_ hardened g++ -O3 -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fcf-protection -Iinc -c main.cc -o o/hardened.o
case_ sanitizers g++ -O1 -g -fsanitize=address,undefined -Iinc -c main.cc -o o/sanitizers.o
case_ processor g++ -O2 -march=x86-64-v2 -mtune=generic -Iinc -c main.cc -o o/processor.o
case_ sections g++ -Os -ffunction-sections -fdata-sections -fvisibility=hidden -Iinc -c main.cc -o o/sections.o
case_ openmp gcc -O2 -fopenmp -c c.c -o o/openmp.o
case_ gprof g++ -O2 -pg -Iinc -c main.cc -o o/gprof.o
case_ standards x 'for s in c89 c99 gnu11 c2x; do gcc -std=$s -c call.c -o o/$s.o; done'
case_ caller-saves gcc -O2 -fcaller-saves -c c.c -o o/caller-saves.o
case_ prefix-map g++ -O2 -g -ffile-prefix-map=$PWD=/src -Iinc -c main.cc -o o/prefix-map.o

# Names: how a build calls its files and folders.
case_ absolute g++ -O2 -g -I$PWD/inc -c $PWD/main.cc -o $PWD/o/absolute.o
case_ other-folder x 'cd sub/deep && g++ -O2 -g -I../../inc -I../.././other/../inc -c ../../main.cc -o ../../o/other-folder.o'
case_ two-names g++ -O2 -g -Iinc -Isub/../inc -c names.cc -o o/two-names.o
case_ linked-folder g++ -O2 -g -Isub/linked -c main.cc -o o/linked-folder.o
case_ linked-pwd x 'cd ../alias && g++ -O2 -g -Iinc -c main.cc -o o/linked-pwd.o'
case_ stale-pwd x 'PWD=/nowhere g++ -O2 -g -Iinc -c main.cc -o o/stale-pwd.o'
case_ odd-names gcc -O2 -g -c 'na me é.c' -o 'o/na me é.o'
case_ utf-8 x 'LC_ALL=C.UTF-8 gcc -O2 -g -Wall -c "na me é.c" -o o/utf-8.o'
case_ two-sources x 'cd o && g++ -O2 -g -I../inc -c ../main.cc ../date.cc'
case_ renamed-language x 'cp main.cc o/source.txt && g++ -Iinc -x c++ -c o/source.txt -o o/renamed-language.o'
case_ many-at-once x 'for i in 1 2 3 4 5 6; do gcc -O1 -DN=$i -c c.c -o o/many-$i.o & done; wait'

# What the text of a compile hangs on.
case_ include g++ -O2 -g -Iinc -include inc/pre.h "-DQUOTED=\"a b\"" -c main.cc -o o/include.o
case_ imacros g++ -O2 -g -Iinc -imacros inc/pre.h -c main.cc -o o/imacros.o
case_ isystem g++ -O2 -g $strict -isystem inc -c main.cc -o o/isystem.o
case_ has-include g++ -O2 -g -Iinc -c has-include.cc -o o/has-include.o
case_ missing-dirs g++ -Wmissing-include-dirs -Iinc -Iother/empty -Iother -c main.cc -o o/missing-dirs.o
case_ once g++ -O2 -g -Iinc -Iother -c once.cc -o o/once.o
case_ include-next g++ -O2 -g -Iother -Iinc -c next.cc -o o/include-next.o
case_ line-directive gcc -O2 -g -c line.c -o o/line-directive.o
case_ raw-marker g++ -O2 -g -c raw.cc -o o/raw-marker.o
case_ date g++ -O2 -g -c date.cc -o o/date-only.o
case_ no-epoch x 'env -u SOURCE_DATE_EPOCH g++ -O2 -g -Iinc -c main.cc -o o/no-epoch.o'
case_ timestamp x 'touch -d @1000 timestamp.c && gcc -c timestamp.c -o o/timestamp.o'
case_ pragma-dependency gcc -Iinc -c dependency.c -o o/pragma-dependency.o
case_ macro-paths x 'CPATH=inc g++ -O2 -g -c main.cc -o o/macro-paths.o'
case_ unused-macros g++ -Wunused-macros -Iinc -c main.cc -o o/unused-macros.o
case_ directives-error gcc -c directive-error.c -o o/directives-error.o
case_ deep-macros gcc -O1 -g3 -c macros.c -o o/deep-macros.o
case_ header-guard x 'printf "#include \"main.cc\"\n" > o/again.cc && g++ -I. -Iinc -c o/again.cc -o o/header-guard.o'

# Dependencies.
case_ dependencies g++ -O2 -Iinc -MD -MP -MF o/dependencies.d -MT 'x y' -c main.cc -o o/dependencies.o
case_ user-dependencies g++ -O2 -isystem inc -MMD -c main.cc -o o/user-dependencies.o
case_ dependencies-stdout g++ -Iinc -MD -MF /dev/stdout -c main.cc -o o/dependencies-stdout.o
case_ dependencies-null g++ -Iinc -MMD -MF /dev/null -c main.cc -o o/dependencies-null.o
case_ dependencies-wp g++ -Iinc -Wp,-MD,o/wp.d -c main.cc -o o/dependencies-wp.o
case_ dependencies-generated g++ -Iinc -M -MG generated.cc
case_ dependencies-variable x 'DEPENDENCIES_OUTPUT="o/variable.d target" g++ -Iinc -c main.cc -o o/variable.o'

# Where the source comes from and the output goes.
case_ pipe g++ -O2 -g -pipe -Iinc -c main.cc -o o/pipe.o
case_ pipe-error g++ -pipe -c error.cc -o o/pipe-error.o
case_ assembly g++ -O2 -Iinc -S main.cc -o o/assembly.s
case_ assembly-stdout gcc -O2 -S c.c -o -
case_ verbose-assembly gcc -O2 -fverbose-asm -S c.c -o o/verbose.s
case_ stdin x 'g++ -O2 -g -Iinc -x c++ -c - -o o/stdin.o < main.cc'
case_ substitution x 'gcc -include <(echo "int substituted;") -c c.c -o o/substitution.o'
case_ null-output gcc -O2 -c c.c -o /dev/null
case_ null-assembly gcc -O2 -S c.c -o /dev/null
case_ full-output x 'gcc -S c.c -o /dev/full'
case_ read-only-output x 'mkdir -p o/closed && chmod 555 o/closed && gcc -S c.c -o o/closed/c.s'
case_ over-a-link x 'echo old > o/target.s && ln -s target.s o/link.s && gcc -S c.c -o o/link.s'
case_ closed-stdin x 'gcc -O2 -c c.c -o o/closed-stdin.o <&-'
case_ closed-stdout x 'gcc -O2 -Wall -c c.c -o o/closed-stdout.o >&-'
case_ closed-stderr x 'gcc -O2 -Wall -c c.c -o o/closed-stderr.o 2>&-'
case_ ignored-signals x 'trap "" CHLD PIPE; gcc -O2 -g -c c.c -o o/ignored-signals.o'
case_ response-file x 'echo "-O2 -g -Iinc -DRSP=1" > o/response && g++ @o/response -c main.cc -o o/response-file.o'
case_ save-temps x 'cd o && g++ -O2 -g -save-temps -I../inc -c ../main.cc -o save-temps.o'
case_ preprocessed x 'g++ -E -Iinc main.cc -o o/text.ii && g++ -O2 -g -c o/text.ii -o o/preprocessed.o'
case_ preprocess-only g++ -E -dD -Iinc main.cc -o o/text
case_ syntax-only g++ -fsyntax-only -Wall -Iinc main.cc
case_ assembler gcc -c -Iinc start.S -o o/assembler.o
case_ incbin x 'printf blob > blob.bin && g++ -O2 -c incbin.cc -o o/incbin.o'

# Further files: one at a time, since they meet each other's.
wait
at_a_time=1
case_ coverage g++ -O0 --coverage -Iinc -c main.cc -o o/coverage.o
case_ coverage-run x 'cd o && gcc --coverage ../c.c ../call.c -o covered && ./covered && gcc -fprofile-use -c ../c.c -o profile-use.o'
case_ profile-generate g++ -O2 -fprofile-generate -Iinc -c main.cc -o o/profile-generate.o
case_ stack-usage g++ -O2 -fstack-usage -Iinc -c main.cc -o o/stack-usage.o
case_ dumps x 'cd o && gcc -O2 -fdump-tree-optimized -da -c ../c.c -o dumps.o'
case_ dump-stdout gcc -O2 -fdump-tree-optimized=/dev/stdout -c c.c -o o/dump-stdout.o
case_ opt-info x 'gcc -O3 -fopt-info-vec=o/opt-info -c c.c -o o/opt-info.o'
case_ callgraph x 'cd o && gcc -fcallgraph-info -c ../c.c -o callgraph.o'
case_ precompiled x 'g++ -O2 -g -Iinc -c -x c++-header inc/pre.h -o inc/pre.h.gch
  g++ -O2 -g -Iinc -include inc/pre.h -c main.cc -o o/precompiled.o; rm -f inc/pre.h.gch'
case_ precompiled-elsewhere x 'mkdir o/pch && g++ -O2 -g -Iinc -x c++-header inc/pre.h -o o/pch/pre.h.gch
  g++ -O2 -g -Io/pch -Iinc -include pre.h -c main.cc -o o/precompiled-elsewhere.o; rm -r o/pch'
case_ modules x 'cd o && g++ -std=c++20 -fmodules-ts -c ../module.cc -o module.o && g++ -std=c++20 -fmodules-ts -c ../import.cc -o import.o'
case_ record-switches gcc -O2 -frecord-gcc-switches -c c.c -o o/record-switches.o

# Messages.
at_a_time=6
case_ error g++ -O2 -c error.cc -o o/error.o
case_ missing g++ -O2 -Iinc -c missing.cc -o o/missing.o
case_ werror g++ -O2 -Wall -Wextra -Werror -Iinc -c main.cc -o o/werror.o
case_ warnings gcc -O2 -Wall -Wextra -c c.c -o o/warnings.o
case_ json gcc -O2 -Wall -fdiagnostics-format=json -c c.c -o o/json.o
case_ colour gcc -O2 -Wall -fdiagnostics-color=always -c c.c -o o/colour.o
case_ columns x 'COLUMNS=40 gcc -O2 -Wall -c c.c -o o/columns.o'
case_ unknown-option gcc -O2 -fno-such-option -c c.c -o o/unknown-option.o
case_ warn-time gcc -Wdate-time -c macros.c -o o/warn-time.o
case_ no-source gcc -c nothing-there.c -o o/no-source.o
case_ version gcc --version
case_ search gcc -print-prog-name=cc1
case_ conftest x 'echo "int main(void) { return 0; }" > o/conftest.c && gcc -o o/conftest o/conftest.c && o/conftest'
case_ linked-program x 'g++ -O2 -g -Iinc main.cc -o o/main && o/main'

wait

# On a terminal, as in every Nix build: the messages go to the build's log, and what was made is compared.
g++ $strict -O2 -g -Iinc -c main.cc -o o/terminal.o
gcc -Wall -c c.c -o o/terminal-c.o

rm -rf o/closed
cp -r o "$out/files"
ls -R . > "$out/list"
exit 0
