#!/usr/bin/env bash
# From a fresh clone to a running cluster, with users, and a verified file in it.
#
#   quickstart.sh [--dir D]    install packages, build, start a cluster with keys, sign up as a
#                              user, move a file in and out
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
      sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
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
  rm -rf "$dir/users"
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
"$cluster" up --dir "$dir" --heads 3 --storages 4 --bin "$bin" --secure
export DFS_CONFIG=$dir/client.conf
unset DFS_TICKET DFS_TICKET_DIR
dfsctl() { "$bin/dfsctl" "$@"; }

user=$(id -un | tr -cd 'a-zA-Z0-9_.-')
[[ $user =~ ^[a-zA-Z_] && $user != admin ]] || user=me
step "A user, $user"
# The cluster's own client.conf is the administrator's. With another place for tickets whoever
# uses it is somebody else.
dfsctl user sign-up open
mkdir -p "$dir/users/$user"
chmod 700 "$dir/users/$user"
if [[ ! -s $dir/users/$user/password ]]; then
  (umask 077 && head -c 18 /dev/urandom | base64 -w 0 | tr '+/' '-_' >"$dir/users/$user/password")
  DFS_TICKET_DIR=$dir/users/$user dfsctl signup "$user" --password-file "$dir/users/$user/password"
else
  DFS_TICKET_DIR=$dir/users/$user dfsctl login "$user" --password-file "$dir/users/$user/password"
fi
dfsctl mkdir -p "/home/$user"
dfsctl chown "$user:" "/home/$user"
export DFS_TICKET_DIR=$dir/users/$user
dfsctl whoami

size=${DFS_SIZE_MIB:-256}
step "A file of $size MiB goes in and comes out again"
work=$(mktemp -d)
head -c "${size}M" /dev/urandom >"$work/original"
file=/home/$user/random.bin
dfsctl put "$work/original" "$file"
dfsctl get "$file" "$work/returned"
dfsctl ls -l "/home/$user"
stored=$(dfsctl checksum --sha256 "$file" | cut -d' ' -f1)
original=$(sha256sum "$work/original" | cut -d' ' -f1)
returned=$(sha256sum "$work/returned" | cut -d' ' -f1)
if [[ $original != "$returned" || $original != "$stored" ]]; then
  echo "quickstart.sh: the file changed: $original in, $returned out, $stored stored" >&2
  exit 6
fi
echo "verified: sha256 $original before, after and in the cluster"

step "The cluster now, as its administrator sees it"
DFS_TICKET_DIR=$dir/tickets dfsctl cluster status

step "What next"
cat <<TEXT
As administrator, whose password is in $dir/conf/admin-password (in a terminal of its own):
  export DFS_CONFIG=$dir/client.conf PATH=$bin:\$PATH
  dfsctl whoami                       elsewhere, without that ticket: dfsctl login admin
  dfsctl user list
  dfsctl stat --blocks $file     where its blocks are
  dfsctl node create                  another storage node, by the agent that runs here
  dfsctl events                       watch what happens, while in another terminal:
  $cluster kill storage-1 --dir $dir
  $cluster kill head-1 --dir $dir

As the user $user, with the password in $dir/users/$user/password:
  export DFS_CONFIG=$dir/client.conf DFS_TICKET_DIR=$dir/users/$user PATH=$bin:\$PATH
  dfsctl put SOME_FILE /home/$user/       dfsctl ls -l /home/$user
  dfsctl cat $file | sha256sum   still all there, whatever was killed
  dfsctl node list                    is for administrators

As somebody else: DFS_TICKET_DIR=$dir/users/ada dfsctl signup ada

Stop and remove it: $here/quickstart.sh --stop --dir $dir
TEXT
