#!/usr/bin/env bash
# The two commands of the README on a machine that has nothing: makes a bare Debian 12 in a folder
# (debootstrap), clones the committed tree into it and runs the commands there. Needs root, network
# and about 6 GB below --dir; takes as long as the package install, two builds and all tests.
#
#   tests/system/fresh_machine.sh [--dir DIR] [--base DIR] [--only quickstart|test] [--keep]
#
# --base names a bare Debian 12 made before, which is copied instead of downloaded again.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
dir=""
base=""
only=""
keep=no
while [ $# -gt 0 ]; do
  case "$1" in
    --dir) dir=$2; shift 2 ;;
    --base) base=$2; shift 2 ;;
    --only) only=$2; shift 2 ;;
    --keep) keep=yes; shift ;;
    *) echo "fresh_machine.sh: unknown argument $1; see the head of this file" >&2; exit 2 ;;
  esac
done
[ "$(id -u)" = 0 ] || { echo "fresh_machine.sh: chroot needs root" >&2; exit 2; }
[ -n "$dir" ] || dir=$(mktemp -d "${TMPDIR:-/tmp}/zdfs-fresh.XXXXXX")
root=$dir/root

clean_up() {
  local point
  # Also what the tests have mounted inside. The last comes first.
  while read -r point; do umount -l "$point" || true; done < <(
    awk -v root="$root" '$2 == root || index($2, root "/") == 1 { print $2 }' /proc/mounts | tac)
  # Nothing is removed while something of the host is still mounted inside.
  if [ "$keep" = no ] && ! grep -q " $root" /proc/mounts; then rm -rf --one-file-system "$dir"; fi
}
trap clean_up EXIT

mkdir -p "$dir"
if [ -n "$base" ]; then
  cp -a "$base" "$root"
else
  command -v debootstrap >/dev/null || apt-get install -y -qq debootstrap
  debootstrap --variant=minbase bookworm "$root" http://deb.debian.org/debian
fi
# A folder that is a mount of its own, as network namespaces want it.
mount --bind "$root" "$root"
mount --make-private "$root"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
for point in proc dev dev/shm sys; do
  mkdir -p "$root/$point"
  case "$point" in
    proc) mount -t proc proc "$root/proc" ;;
    dev/shm) mount -t tmpfs tmpfs "$root/dev/shm" ;;
    *) mount --bind "/$point" "$root/$point" ;;
  esac
done

git clone -q "$top" "$root/zdfs"
git -C "$root/zdfs" log -1 --format='commit %h: %s'

inside() { chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"; }
outcome=0
for step in quickstart test; do
  [ -z "$only" ] || [ "$only" = "$step" ] || continue
  echo "== ./deploy/$step.sh"
  if inside bash -c "cd /zdfs && ./deploy/$step.sh"; then
    echo "== ./deploy/$step.sh: ok"
  else
    echo "== ./deploy/$step.sh: exit code $?"
    outcome=1
  fi
  if [ "$step" = quickstart ]; then
    inside bash -c "cd /zdfs && ./deploy/quickstart.sh --stop" || true
  fi
done
exit "$outcome"
