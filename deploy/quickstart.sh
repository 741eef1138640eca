#!/usr/bin/env bash
# From a fresh clone to a running cluster with a verified file in it.
#
#   quickstart.sh [--dir D]    install packages, build, start a cluster, move a file in and out
#   quickstart.sh --stop       stop that cluster and remove it
#
# The cluster lives in D, default ~/.zdfs-quickstart. DFS_SIZE_MIB is the size of the file, default
# 256.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
bin=$root/build/release/bin
cluster=$here/local_cluster.sh

dir=${HOME:-/tmp}/.zdfs-quickstart
stop=no
while (($# > 0)); do
  case $1 in
    --dir)
      (($# > 1)) || { echo "quickstart.sh: --dir needs a value" >&2; exit 2; }
      dir=$2
      shift
      ;;
    --dir=*) dir=${1#*=} ;;
    --stop) stop=yes ;;
    -h | --help)
      sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *)
      echo "quickstart.sh: unknown argument $1; there are --dir D and --stop" >&2
      exit 2
      ;;
  esac
  shift
done

if [[ $stop == yes ]]; then
  exec "$cluster" down --purge --dir "$dir"
fi

step() { printf '\n== %s\n' "$*"; }

step "Packages"
"$here/packages.sh"

step "Build (a few minutes the first time)"
cd "$root"
cmake --preset release >/dev/null
cmake --build --preset release --target dfsd dfsctl

step "A cluster of three heads and four storage nodes, two copies of each block"
work=
clean_up() {
  local status=$?
  [[ -z $work ]] || rm -rf "$work"
  if ((status != 0)); then
    echo "quickstart.sh: something failed; the cluster is stopped, its logs are in $dir/log" >&2
    "$cluster" down --dir "$dir" >&2 || true
  fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
"$cluster" up --dir "$dir" --heads 3 --storages 4 --bin "$bin"
export DFS_CONFIG=$dir/client.conf

size=${DFS_SIZE_MIB:-256}
step "A file of $size MiB goes in and comes out again"
work=$(mktemp -d)
head -c "${size}M" /dev/urandom >"$work/original"
"$bin/dfsctl" mkdir -p /quickstart
"$bin/dfsctl" put "$work/original" /quickstart/random.bin
"$bin/dfsctl" get /quickstart/random.bin "$work/returned"
stored=$("$bin/dfsctl" checksum --sha256 /quickstart/random.bin | cut -d' ' -f1)
original=$(sha256sum "$work/original" | cut -d' ' -f1)
returned=$(sha256sum "$work/returned" | cut -d' ' -f1)
if [[ $original != "$returned" || $original != "$stored" ]]; then
  echo "quickstart.sh: the file changed: $original in, $returned out, $stored stored" >&2
  exit 6
fi
echo "verified: sha256 $original before, after and in the cluster"

step "The cluster now"
"$bin/dfsctl" cluster status

step "What next"
cat <<TEXT
  export DFS_CONFIG=$dir/client.conf PATH=$bin:\$PATH
  dfsctl put SOME_FILE /            dfsctl ls -l /            dfsctl get /SOME_FILE copy
  dfsctl stat --blocks /quickstart/random.bin     where its blocks are
  dfsctl node create                              another storage node, by the agent that runs here
  dfsctl events                                   watch what happens, while in another terminal:
  $cluster kill storage-1 --dir $dir
  $cluster kill head-1 --dir $dir
  dfsctl cat /quickstart/random.bin | sha256sum   still all there

Stop and remove it: $here/quickstart.sh --stop --dir $dir
TEXT
