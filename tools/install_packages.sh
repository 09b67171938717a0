#!/usr/bin/env bash
# usage: tools/install_packages.sh PURPOSE...
# Installs the Debian packages that packages.txt lists for these purposes, as far as they are missing.
# A tool that is already there from elsewhere (go, node, npm, mvn) counts as installed.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

provided() {
  case $1 in
    golang-go) command -v go ;;
    nodejs) command -v node ;;
    npm) command -v npm ;;
    maven) command -v mvn ;;
    openjdk-17-jdk-headless) command -v javac && command -v java ;;
    *) false ;;
  esac >/dev/null 2>&1
}

missing=()
for purpose in "$@"; do
  for package in $(awk -v purpose="$purpose" '$1 == purpose { $1 = ""; print }' "$root/packages.txt"); do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [ "$state" != installed ] && ! provided "$package"; then missing+=("$package"); fi
  done
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "Missing packages, and neither root nor sudo: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get -q update
"${as_root[@]}" apt-get -q install -y --no-install-recommends "${missing[@]}"
