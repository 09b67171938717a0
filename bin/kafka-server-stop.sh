#!/usr/bin/env bash
# Stops the brokers of this checkout, or with --node-id the one of that id: SIGTERM, or the signal that SIGNAL names.
# usage: kafka-server-stop.sh [--node-id=ID]
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
id=
for argument; do
  case $argument in
    --node-id=?*) id=${argument#*=} ;;
    --process-role=*) id=none ;;  # no broker of a ZooKeeper cluster has a role, so none is meant
    *) echo "Not known: $argument; usage: kafka-server-stop.sh [--node-id=ID]" >&2; exit 1 ;;
  esac
done
stop "broker start" "kafka server" "$id"
