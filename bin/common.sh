# What the scripts of this folder share; sourced by them.
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
binary=${MILENA_BINARY:-$home/build/release/milena}

need_binary() {
  [ -x "$binary" ] || { echo "$binary is missing: build it with ./start.sh --build-only" >&2; exit 1; }
}

# run_or_daemon DAEMON NAME ARGUMENTS…: in the foreground, or in the background with its output at the end of $LOG_DIR/NAME.out, where
# a log of what crashed before stays.
run_or_daemon() {
  local daemon=$1 name=$2
  shift 2
  need_binary
  [ "$daemon" = yes ] || exec "$binary" "$@"
  local log_dir=${LOG_DIR:-$home/logs}
  mkdir -p "$log_dir"
  nohup "$binary" "$@" >>"$log_dir/$name.out" 2>&1 </dev/null &
}

# broker_id PID WORDS…: what the properties file of a running broker says; the file is the first word that names one from where it runs.
broker_id() {
  local pid=$1 word file
  shift
  for word; do
    file=$word
    [[ $word = /* ]] || file=$(readlink "/proc/$pid/cwd")/$word
    [ -f "$file" ] || continue
    sed -nE 's/^[[:space:]]*(broker|node)\.id[[:space:]]*[=:][[:space:]]*([0-9]+)[[:space:]]*$/\2/p' "$file" | tail -n 1
    return
  done
}

# stop COMMANDS WHAT [ID]: signals every process of this checkout's binaries whose first argument is one of COMMANDS; with ID only
# the brokers whose properties file has it.
stop() {
  local found=() link exe pid words builds own
  builds=$(readlink -f "$home/build") || builds=$home/build
  own=$(readlink -f "$binary") || own=$binary
  for link in /proc/[0-9]*/exe; do
    exe=$(readlink "$link" 2>/dev/null) || continue
    exe=${exe% (deleted)}  # rebuilt while it ran
    case $exe in "$builds"/*/milena | "$own") ;; *) continue ;; esac
    mapfile -d '' -t words <"${link%exe}cmdline" 2>/dev/null || continue
    case " $1 " in *" ${words[1]:-} "*) ;; *) continue ;; esac
    pid=$(basename "${link%/exe}")
    [ -z "${3:-}" ] || [ "$(broker_id "$pid" "${words[@]:2}")" = "$3" ] || continue
    found+=("$pid")
  done
  if [ ${#found[@]} = 0 ]; then
    echo "No $2 to stop"
    exit 1
  fi
  kill -s "${SIGNAL:-TERM}" "${found[@]}"
}
