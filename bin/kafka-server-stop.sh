#!/usr/bin/env bash
# Stops the brokers of this checkout: SIGTERM, or the signal that SIGNAL names.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
stop "broker start" "kafka server"
