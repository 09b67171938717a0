# shellcheck shell=bash
# run_stage RESULTS STAGE COMMAND…: for test.sh and .ci/run, which source it. The command appends `STAGE passed failed skipped` to RESULTS
# at its end; one that ends with an error and names no failed test, or ends without its line, is a failure as well: it was killed.
run_stage() {
  local results=$1 stage=$2 code=0
  shift 2
  "$@" || code=$?
  awk -v stage="$stage" -v code="$code" '$1 == stage { lines++; failed += $3 } END { exit !(lines > 0 && (code == 0 || failed > 0)) }' \
    "$results" && return
  echo "FAILED: $stage ended with exit code $code and doesn't say what failed" >&2
  echo "$stage 0 1 0" >>"$results"
}
