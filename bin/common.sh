# What the scripts of this folder share; sourced by them.
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
binary=${MILENA_BINARY:-$home/build/release/milena}

need_binary() {
  [ -x "$binary" ] || { echo "$binary is missing: build it with ./start.sh --build-only" >&2; exit 1; }
}

# run_or_daemon DAEMON NAME ARGUMENTS…: in the foreground, or in the background with its output in $LOG_DIR/NAME.out.
run_or_daemon() {
  local daemon=$1 name=$2
  shift 2
  need_binary
  [ "$daemon" = yes ] || exec "$binary" "$@"
  local log_dir=${LOG_DIR:-$home/logs}
  mkdir -p "$log_dir"
  nohup "$binary" "$@" >"$log_dir/$name.out" 2>&1 </dev/null &
}

# stop COMMANDS WHAT: signals every process of this checkout's binaries whose first argument is one of COMMANDS.
stop() {
  local found=() link exe words
  for link in /proc/[0-9]*/exe; do
    exe=$(readlink "$link" 2>/dev/null) || continue
    exe=${exe% (deleted)}  # rebuilt while it ran
    case $exe in "$home"/build/*/milena | "$binary") ;; *) continue ;; esac
    mapfile -d '' -t words <"${link%exe}cmdline" 2>/dev/null || continue
    case " $1 " in *" ${words[1]:-} "*) found+=("$(basename "${link%/exe}")") ;; esac
  done
  if [ ${#found[@]} = 0 ]; then
    echo "No $2 to stop"
    exit 1
  fi
  kill -s "${SIGNAL:-TERM}" "${found[@]}"
}
