#!/usr/bin/env bash
# Installs the Debian 12 packages that ZDFS is built from; asks nobody when all are there.
#
#   packages.sh            what building and running needs
#   packages.sh --tests    what deploy/test.sh needs besides
#   packages.sh --list     prints the names and installs nothing
set -euo pipefail

build=(
  g++ cmake ninja-build ccache pkg-config
  libzmq3-dev cppzmq-dev libmsgpack-cxx-dev libspdlog-dev libcli11-dev doctest-dev
  librocksdb-dev libisal-dev libssl-dev libsodium-dev libjemalloc-dev
  libedit-dev
  python3
)
tests=(python3-zmq python3-msgpack iproute2 patch tshark clang libclang-rt-14-dev)

wanted=("${build[@]}")
list=no
for argument in "$@"; do
  case $argument in
    --tests) wanted+=("${tests[@]}") ;;
    --list) list=yes ;;
    *)
      echo "packages.sh: unknown argument $argument; there are --tests and --list" >&2
      exit 2
      ;;
  esac
done
if [[ $list == yes ]]; then
  printf '%s\n' "${wanted[@]}"
  exit 0
fi

installed() {
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

missing=()
for package in "${wanted[@]}"; do
  installed "$package" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "packages: all ${#wanted[@]} are installed"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "packages.sh: not root and no sudo; install these yourself: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "packages: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install=("${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}")
# The package lists may be missing or old: fetch them when the first attempt finds nothing.
if ! "${install[@]}" >/dev/null 2>&1; then
  "${as_root[@]}" apt-get update -q
  "${install[@]}"
fi
