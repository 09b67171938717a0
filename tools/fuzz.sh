#!/usr/bin/env bash
# fuzz.sh SECONDS [TARGET…]: builds every x_fuzz.cpp below src (or those named) with clang and runs each for SECONDS; 0 builds
# only.
# Seeds: x_seeds.py FOLDER beside the source writes them, and testdata/x_seeds/ holds fixed ones; both are optional.
# FUZZ_SEED=N makes the runs repeatable (CI does: whether a change lands is no matter of luck); without it each is another.
# FUZZ_PRESET names the build: fuzz, which is optimised, or asan, which CI has anyway.
# Ends with 1 if any target found something; the input that did it stays in build/<preset>/findings.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?usage: fuzz.sh SECONDS [TARGET…]}
shift

mapfile -t sources < <(find src -name '*_fuzz.cpp' | sort)
chosen=()
for source in "${sources[@]}"; do
  target=$(basename "$source" .cpp)
  if [ $# -eq 0 ] || [[ " $* " == *" $target "* ]]; then chosen+=("$source"); fi
done
[ ${#chosen[@]} -gt 0 ] || { echo "no such fuzz target" >&2; exit 1; }

preset=${FUZZ_PRESET:-fuzz}
cmake --preset "$preset" >/dev/null
targets=()
for source in "${chosen[@]}"; do targets+=("$(basename "$source" .cpp)"); done
ninja -C "build/$preset" "${targets[@]}"
[ "$seconds" != 0 ] || exit 0

findings=$PWD/build/$preset/findings
mkdir -p "$findings"
fuzz_one() {  # SOURCE; one for each processor at a time, so what one has to say comes in one piece
  local source=$1 folder target name corpus log inputs
  folder=$(dirname "$source")
  target=$(basename "$source" .cpp)
  name=${target%_fuzz}
  corpus=build/$preset/corpus/$name
  mkdir -p "$corpus"
  if [ -f "$folder/${name}_seeds.py" ]; then python3 "$folder/${name}_seeds.py" "$corpus/seeds" >/dev/null; fi
  inputs=("$corpus")
  if [ -d "$corpus/seeds" ]; then inputs+=("$corpus/seeds"); fi
  if [ -d "$folder/testdata/${name}_seeds" ]; then inputs+=("$folder/testdata/${name}_seeds"); fi
  log=build/$preset/$name.log
  if "build/$preset/$folder/$target" -seed="${FUZZ_SEED:-0}" -max_total_time="$seconds" -rss_limit_mb=1024 -malloc_limit_mb=256 -timeout=10 \
      -artifact_prefix="$findings/$name-" "${inputs[@]}" >"$log" 2>&1; then
    echo "$target: nothing found, $(grep -aoE 'Done [0-9]+ runs' "$log" || tail -1 "$log")"
  else
    printf '%s\n' "$(tail -40 "$log")" "$target: FAILED, see $log and $findings"
    return 1
  fi
}
export -f fuzz_one
export preset seconds findings
printf '%s\0' "${chosen[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -euo pipefail -c 'fuzz_one "$1"' fuzz || exit 1
