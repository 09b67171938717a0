#!/usr/bin/env bash
# tidy.sh [FILE…]: runs clang-tidy with the checks of .clang-tidy over the named sources, or all that aren't tests. Needs the release
# preset's build (for its commands) and Debian's clang-tidy; about half an hour for all. Ends with 1 if anything was found.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v clang-tidy-14 >/dev/null || { echo "tidy.sh: install Debian's clang-tidy-14 first" >&2; exit 2; }
[ -f build/release/compile_commands.json ] || { echo "tidy.sh: run ./start.sh --build-only first" >&2; exit 2; }
files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(git ls-files 'src/*.cpp' | grep -v -e _test.cpp -e _fuzz.cpp)
# g++ knows warnings that clang doesn't.
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 4 \
  clang-tidy-14 -p build/release --quiet --extra-arg=-Wno-unknown-warning-option
