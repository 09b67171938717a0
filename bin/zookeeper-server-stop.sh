#!/usr/bin/env bash
# Stops the coordinators of this checkout that run alone: SIGTERM, or the signal that SIGNAL names.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
stop coordinator "zookeeper server"
