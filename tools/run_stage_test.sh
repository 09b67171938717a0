#!/usr/bin/env bash
# What run_stage counts.
set -euo pipefail
cd "$(dirname "$0")"
. ./run_stage.sh
results=$(mktemp)
trap 'rm -f "$results"' EXIT

expect() {  # WHAT LINES: the results, and a new start
  if [ "$(cat "$results")" != "$2" ]; then
    printf '%s: expected\n%s\nis\n%s\n' "$1" "$2" "$(cat "$results")" >&2
    exit 1
  fi
  echo "before 3 0 0" >"$results"
}
says() {  # CODE [LINE]
  if [ $# -gt 1 ]; then echo "$2" >>"$results"; fi
  return "$1"
}

expect "at first" ""
run_stage "$results" unit says 0 "unit 5 0 0"
expect "a stage that is well" $'before 3 0 0\nunit 5 0 0'
run_stage "$results" unit says 1 "unit 4 1 0"
expect "a test that fails" $'before 3 0 0\nunit 4 1 0'
run_stage "$results" unit says 137 2>/dev/null
expect "killed" $'before 3 0 0\nunit 0 1 0'
run_stage "$results" unit says 0 2>/dev/null
expect "nothing said" $'before 3 0 0\nunit 0 1 0'
run_stage "$results" unit says 1 "unit 5 0 0" 2>/dev/null
expect "an error behind its line" $'before 3 0 0\nunit 5 0 0\nunit 0 1 0'
run_stage "$results" unit bash -c 'kill -9 $$' 2>/dev/null
expect "a process that is killed" $'before 3 0 0\nunit 0 1 0'
