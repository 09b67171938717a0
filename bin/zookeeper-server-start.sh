#!/usr/bin/env bash
# Starts the coordinator, as Kafka's script of this name starts ZooKeeper.
if [ $# -lt 1 ]; then
  echo "USAGE: $0 [-daemon] zookeeper.properties"
  exit 1
fi
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
daemon=no
if [ "$1" = -daemon ]; then
  daemon=yes
  shift
fi
run_or_daemon "$daemon" zookeeper coordinator "$@"
