# Builder: compiles $units trivial units one after the other, and says in milliseconds of processor time what each took. Where
# $occupied is set, a compile that lasts so many seconds has the place at home meanwhile, so that the others leave if they can.
unit() { printf '// %s\nint value_%s() { return %s; }\n' "$1" "$2" "$2" > "trivial_$2.cc"; }

milliseconds() {                        # 0m1.234s
  local minutes=${1%m*} rest=${1#*m}
  rest=${rest%s}
  echo $((minutes * 60000 + 10#${rest%.*} * 1000 + 10#${rest#*.}))
}
measure() {                             # NAME COMMAND…
  local name=$1 before number
  shift
  times > spent                         # not in a subshell, which has children of its own
  before=$(total)
  for ((number = 0; number < units; number++)); do "$@" "$number" > /dev/null 2>&1; done
  times > spent
  echo "$name $(($(total) - before)) $units" >> "$out"
}
total() {                               # of all children so far
  local user system
  { read -r user system; read -r user system; } < spent
  echo $(($(milliseconds "$user") + $(milliseconds "$system")))
}
call() { g++ -O1 -c "trivial_$1.cc" -o "trivial_$1.o"; }
scan() { g++ -O1 -E -fdirectives-only "trivial_$1.cc"; }
assemble() { g++ -c trivial_0.s -o "trivial_$1.o"; }
driver() { g++ '-###' -O1 -c "trivial_$1.cc"; }

for ((number = 0; number < units; number++)); do unit 0 $number; done
if [ -n "$occupied" ]; then
  unit "$occupied" occupied
  call occupied &
  sleep 3
fi
measure call call
if [ -z "$occupied" ]; then
  g++ -O1 -S trivial_0.cc
  for part in scan assemble driver; do measure $part $part; done
fi
wait
exit 0
