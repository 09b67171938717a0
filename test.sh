#!/usr/bin/env bash
# Installs what is missing, builds release, runs the unit tests and then the tests with stock clients.
# usage: ./test.sh [--unit-only | --compat-only]
# The last line is `N passed, N failed, N skipped`; the exit code is 0 only if nothing failed.
set -uo pipefail
cd "$(dirname "$0")"
root=$PWD
. tools/run_stage.sh
what=${1:-all}

results=$root/build/test-results.txt
mkdir -p build
: >"$results"

finish() {
  echo
  awk '{ printf "%-24s %6d passed %4d failed %4d skipped\n", $1, $2, $3, $4 }' "$results"
  awk '{ p += $2; f += $3; s += $4 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0 }' \
    "$results"
  exit $?
}

broken() {  # a stage that couldn't run counts as one failure
  echo "FAILED: $1" >&2
  echo "$1 0 1 0" >>"$results"
  finish
}

tools/install_packages.sh build test data-sync || broken install
cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log; broken configure; }
cmake --build --preset release || broken build

if [ "$what" != --compat-only ]; then
  run_stage "$results" unit python3 tools/run_ctest.py build/release "$results" unit -j "$(nproc)"
fi
if [ "$what" != --unit-only ] && [ -x compat-tests/run ] && [ -x build/release/milena ]; then
  run_stage "$results" compat compat-tests/run --results "$results"
fi
finish
