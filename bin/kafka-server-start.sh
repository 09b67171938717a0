#!/usr/bin/env bash
# Starts the broker, as Kafka's script of this name does.
if [ $# -lt 1 ]; then
  echo "USAGE: $0 [-daemon] server.properties [--override property=value]*"
  exit 1
fi
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
daemon=no
if [ "$1" = -daemon ]; then
  daemon=yes
  shift
fi
case ${1:-} in
  --version | --help) need_binary; exec "$binary" "$1" ;;
esac
run_or_daemon "$daemon" kafkaServer broker "$@"
