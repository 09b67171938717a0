#!/usr/bin/env bash
# Installs what is missing, builds, and runs broker and coordinator in one process, with their data under ./data.
# usage: ./start.sh [--build-only] [arguments for `milena start`, such as --override key=value]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

build_only=no
if [ "${1:-}" = --build-only ]; then
  build_only=yes
  shift
fi

tools/install_packages.sh build
mkdir -p build
cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
cmake --build --preset release --target milena
[ "$build_only" = no ] || exit 0

exec build/release/milena start --server config/server.properties --coordinator config/zookeeper.properties "$@"
