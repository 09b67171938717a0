#!/usr/bin/env bash
# Installs and builds what is missing, and runs the example. See README.md.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
"$root/tools/install_packages.sh" example data-sync
[ -x "$root/build/release/milena" ] || "$root/start.sh" --build-only
exec python3 "$here/run.py" "$@"
