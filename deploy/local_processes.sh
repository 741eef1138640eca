# The processes of local_cluster.sh: whether they run, how they are ended, and which ports are free
# for them. Sourced by it, with $dir set; a process is known by the file of settings it was started
# with.
# shellcheck shell=bash

# The recorded pid of $1, if that process still is what we started: pids are reused.
pid_of() {
  local pid
  pid=$(cat "$dir/run/$1.pid" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  cat "/proc/$pid/cmdline" 2>/dev/null | tr '\0' '\n' |
    grep -xF -- "$dir/conf/$1.conf" >/dev/null || return 1
  # A zombie has ended.
  [[ $(state_of_pid "$pid") != Z ]] || return 1
  echo "$pid"
}
state_of_pid() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null || true; }

# Lines "PID FOLDER" of the storage nodes that our agents started; they outlive their agents.
agent_nodes() {
  local conf file pid
  for conf in "$dir"/data/agent-*/*/node.conf; do
    [[ -e $conf ]] || continue
    for file in $(grep -lzxF -- "$conf" /proc/[0-9]*/cmdline 2>/dev/null); do
      pid=${file//[!0-9]/}
      # Other programs may have been told of the file.
      [[ $(sed -nz 2p "$file" 2>/dev/null | tr -d '\0') == storage ]] || continue
      [[ $(state_of_pid "$pid") == Z ]] || echo "$pid ${conf%/node.conf}"
    done
  done
}
end_agent_nodes() {
  local pids pid
  pids=$(agent_nodes | cut -d' ' -f1)
  [[ -n $pids ]] || return 0
  kill -TERM $pids 2>/dev/null || true
  kill -CONT $pids 2>/dev/null || true
  for pid in $pids; do
    wait_gone "$pid" 200 && continue
    echo "the node of an agent with pid $pid did not stop within 10 s and is killed" >&2
    kill -KILL "$pid" 2>/dev/null || true
  done
}

# Also when the first thread of $1 is gone others may be on their way out, and hold its files.
is_gone() {
  [[ -d /proc/$1 ]] || return 0
  local threads
  threads=$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)
  [[ $(state_of_pid "$1") == Z && $threads -le 1 ]]
}
wait_gone() {
  local pid=$1 tries=$2
  while ((tries-- > 0)); do
    is_gone "$pid" && return 0
    sleep 0.05
  done
  return 1
}

# Ends $1 in an orderly way, by force after 10 s.
end_process() {
  local pid
  pid=$(pid_of "$1") || {
    rm -f "$dir/run/$1.pid" "$dir/run/$1.ready"
    return 0
  }
  kill -TERM "$pid" 2>/dev/null || true
  kill -CONT "$pid" 2>/dev/null || true
  if ! wait_gone "$pid" 200; then
    echo "$1 did not stop within 10 s and is killed" >&2
    kill -KILL "$pid" 2>/dev/null || true
    wait_gone "$pid" 100 || fail "$1 (pid $pid) cannot be killed"
  fi
  rm -f "$dir/run/$1.pid" "$dir/run/$1.ready"
}

# A run of free ports, by binding each of them. Below the range the kernel takes for connections.
free_ports() {
  python3 - "$1" <<'PYTHON'
import random, socket, sys
count = int(sys.argv[1])
for _ in range(200):
    base = random.randrange(10000, 32000 - count)
    taken = []
    try:
        for port in range(base, base + count):
            probe = socket.socket()
            taken.append(probe)
            probe.bind(("127.0.0.1", port))
    except OSError:
        continue
    finally:
        for probe in taken:
            probe.close()
    print(base)
    sys.exit(0)
sys.exit("no free ports found")
PYTHON
}
