#!/usr/bin/env bash
# A whole cluster on this machine, every node a process of its own. See README.md or --help.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

usage() {
  cat <<'TEXT'
usage: local_cluster.sh COMMAND [NAME] --dir D [options]

  up                 start a cluster, or what is missing of the one in D
  down               stop it (data stays; --purge removes D's data too)
  status             which processes run; exit 1 unless all do
  start NAME         start one process again, with its old port and data
  stop NAME          end one in an orderly way
  kill NAME          end one with SIGKILL
  freeze NAME        SIGSTOP;  thaw NAME: SIGCONT

Names are head-1 …, storage-1 … and agent-1 …

  --dir D            where everything is kept (needed)
  --heads 1|3|5      default 1; of 3 any one may be away, of 5 any two
  --storages N       default 4
  --agents N         default 1; each starts further nodes when dfsctl node create asks
  --replicas R       copies of each block, default 2 (1 with a single storage)
  --secure           encrypt control traffic and demand tickets; the keys are in D/keys, and with
                     client.conf dfsctl is logged in as admin, whose password is in
                     D/conf/admin-password. Without it all is plain and nobody is checked
  --port P|auto      first port, default auto; each head takes five, then each storage one
  --preset NAME      which build to run: build/NAME/bin, default release
  --bin DIR          or the directory of dfsd and dfsctl itself
  --config FILE      further settings for every process, or below [head] and [storage] lines for
                     these alone; those of [storage] are for the nodes of agents too

A head without data joins the others, as a new one; only the first start of head-1 founds a cluster.
D/client.conf is for dfsctl --config, D/node.conf for a dfsd storage of yours; D/log/NAME.log are
the logs, D/run/NAME.pid the process ids, D/data/NAME/ the data, D/conf/NAME.conf the settings.
TEXT
}

fail() {
  echo "local_cluster.sh: $*" >&2
  exit 1
}
misuse() {
  echo "local_cluster.sh: $*; see --help" >&2
  exit 2
}

command=${1:-}
case $command in
  up | down | status | start | stop | kill | freeze | thaw) shift ;;
  -h | --help | help)
    usage
    exit 0
    ;;
  '') misuse "a command is missing" ;;
  *) misuse "unknown command $command" ;;
esac
name=
case $command in
  start | stop | kill | freeze | thaw)
    name=${1:-}
    [[ $name =~ ^(head|storage|agent)- ]] || misuse "$command needs a name such as storage-1"
    shift
    ;;
esac

dir= heads= storages= agents= replicas= port= bin= extras= purge=no secure=
while (($# > 0)); do
  option=$1
  case $option in
    --purge)
      purge=yes
      shift
      continue
      ;;
    --secure)
      secure=yes
      shift
      continue
      ;;
    --*=*)
      value=${option#*=}
      option=${option%%=*}
      shift
      ;;
    --*)
      (($# > 1)) || misuse "$option needs a value"
      value=$2
      shift 2
      ;;
    *) misuse "unexpected $option" ;;
  esac
  case $option in
    --dir) dir=$value ;;
    --heads) heads=$value ;;
    --storages) storages=$value ;;
    --agents) agents=$value ;;
    --replicas) replicas=$value ;;
    --port) port=$value ;;
    --preset) bin=$root/build/$value/bin ;;
    --bin) bin=$value ;;
    --config) extras=$value ;;
    *) misuse "unknown option $option" ;;
  esac
done
[[ -n $dir ]] || misuse "--dir D is missing"
[[ -z $heads || $heads =~ ^[135]$ ]] || misuse "--heads is 1, 3 or 5"
[[ -z $storages || $storages =~ ^[0-9]+$ ]] || misuse "--storages is a number"
[[ -z $agents || $agents =~ ^[0-9]+$ ]] || misuse "--agents is a number"
[[ -z $replicas || $replicas =~ ^[1-3]$ ]] || misuse "--replicas is 1, 2 or 3"
[[ -z $port || $port == auto || $port =~ ^[0-9]+$ ]] || misuse "--port is a number or auto"
[[ -z $extras || -r $extras ]] || misuse "--config $extras cannot be read"
if [[ $command == up ]]; then
  mkdir -p "$dir"
elif [[ ! -f $dir/cluster.env ]]; then
  [[ $command == down ]] || fail "no cluster in $dir; start one with: $0 up --dir $dir"
  echo "nothing to stop in $dir"
  exit 0
fi
dir=$(cd "$dir" && pwd)

# What `up` decided is remembered, so that later calls need no options.
saved_names=(heads storages agents replicas base_port bin auto_port secure)
base_port= auto_port=no
load() {
  local key value
  while IFS='=' read -r key value; do
    case $key in
      heads | storages | agents | replicas | base_port | auto_port | secure)
        printf -v "$key" '%s' "$value"
        ;;
      bin) [[ -n $bin ]] || bin=$value ;;
    esac
  done <"$dir/cluster.env"
}
save() {
  local key
  for key in "${saved_names[@]}"; do echo "$key=${!key}"; done >"$dir/cluster.env.new"
  mv "$dir/cluster.env.new" "$dir/cluster.env"
}

all_names() {
  local i
  for ((i = 1; i <= heads; ++i)); do echo "head-$i"; done
  for ((i = 1; i <= storages; ++i)); do echo "storage-$i"; done
  for ((i = 1; i <= agents; ++i)); do echo "agent-$i"; done
}
role_of() { echo "${1%%-*}"; }
# Of a head: requests, news in, news out, and the other heads: their monitors, their lock actors.
head_ports=5
port_of() {
  local number=${1#*-}
  case $1 in
    head-*) echo $((base_port + head_ports * (number - 1))) ;;
    agent-*) echo - ;;
    *) echo $((base_port + head_ports * heads + number - 1)) ;;
  esac
}
# grep -q would end at the first match and pipefail then report the writer's SIGPIPE, so all of a
# pipe is read here and below.
known() { all_names | grep -x -- "$1" >/dev/null; }

source "$here/local_processes.sh"
source "$here/local_keys.sh"

# The brokers of all heads but $1, separated by commas.
brokers() {
  local i list=()
  for ((i = 1; i <= heads; ++i)); do
    [[ head-$i == "${1:-}" ]] || list+=("tcp://127.0.0.1:$(port_of "head-$i")")
  done
  local IFS=,
  echo "${list[*]}"
}
quoted() { sed 's/[^,]\{1,\}/"&"/g; s/,/, /g' <<<"$1"; }

# Lines of the --config file for a role: those before any [section] and those in its own.
extra_settings() {
  [[ -f $dir/extra.conf ]] || return 0
  awk -v role="$1" '/^[ \t]*\[/ { gsub(/[][ \t]/, ""); section = $0; next }
                    section == "" || section == role' "$dir/extra.conf"
}

# Standard input as a file that is never there by half: dfsctl may be reading it.
whole_file() {
  local content
  content=$(cat)
  printf '%s\n' "$content" >"$1.new" && mv "$1.new" "$1"
}

write_settings() {
  local each role
  mkdir -p "$dir/conf" "$dir/run" "$dir/log" "$dir/data"
  [[ $secure != yes || -e $dir/keys ]] || "$bin/dfsd" init --dir "$dir/keys" >/dev/null
  for each in $(all_names); do
    role=$(role_of "$each")
    {
      echo "log-file = \"$dir/log/$each.log\""
      if [[ $role == agent ]]; then
        echo "dir = \"$dir/data/$each\""
        echo "storage-config = \"$dir/conf/of_agents.conf\""
      else
        echo "listen = \"tcp://127.0.0.1:$(port_of "$each")\""
        echo "data = \"$dir/data/$each\""
      fi
      case $role in
        head)
          echo "replicas = $replicas"
          echo "first-password-file = \"$dir/conf/first-password\""
          ((heads == 1)) || echo "broker = [$(quoted "$(brokers "$each")")]"
          ;;
        storage | agent)
          echo "broker = [$(quoted "$(brokers)")]"
          # Each process stands for a machine.
          echo "host = \"$each\""
          ;;
      esac
      security_settings "$role"
      extra_settings "$role"
    } | whole_file "$dir/conf/$each.conf"
  done
  extra_settings storage | whole_file "$dir/conf/of_agents.conf"
  {
    echo "broker = [$(quoted "$(brokers)")]"
    security_settings agent
  } | whole_file "$dir/node.conf"
  {
    cat "$dir/node.conf"
    [[ $secure != yes ]] || echo "ticket-dir = \"$dir/tickets\""
  } | whole_file "$dir/client.conf"
}

launch() {
  local each=$1 begin=()
  rm -f "$dir/run/$each.ready"
  # A head that belongs to a cluster already knows so by itself.
  if [[ $each == head-* && ! -e $dir/data/$each/identity ]]; then
    if [[ $each == head-1 && ! -e $dir/established ]]; then
      begin=(--bootstrap)
    else
      begin=(--join "$(brokers "$each")")
    fi
  fi
  # Descriptor 9 is our lock; a daemon must not hold it.
  setsid "$bin/dfsd" "$(role_of "$each")" --config "$dir/conf/$each.conf" "${begin[@]}" \
    --ready-file "$dir/run/$each.ready" >>"$dir/log/$each.out" 2>&1 </dev/null 9>&- &
  echo $! >"$dir/run/$each.pid"
  disown
}
# Success once $1 is ready; fails when it ends before, or after 30 s.
await_ready() {
  local each=$1 tries=600
  while ((tries-- > 0)); do
    [[ ! -f $dir/run/$each.ready ]] || return 0
    # The command line reads as ours only once setsid has become dfsd; give it a moment.
    if ((tries < 580)) && ! pid_of "$each" >/dev/null; then
      rm -f "$dir/run/$each.pid"
      return 1
    fi
    sleep 0.05
  done
  return 1
}
explain_failure() {
  echo "local_cluster.sh: $1 did not become ready; its last words:" >&2
  tail -n 5 "$dir/log/$1.out" >&2 || true
  [[ ! -f $dir/log/$1.log ]] || tail -n 5 "$dir/log/$1.log" >&2
}

# Starts the named processes that do not run. Heads come first, since all others look for them.
start_processes() {
  local each started=()
  for each in "$@"; do
    pid_of "$each" >/dev/null && continue
    launch "$each"
    started+=("$each")
    if [[ $each == head-* ]]; then
      await_ready "$each" || { explain_failure "$each"; return 1; }
    fi
  done
  for each in "${started[@]}"; do
    await_ready "$each" || { explain_failure "$each"; return 1; }
  done
}
stop_processes() {
  local each
  # Agents first, or they would start again what is ended.
  for each in $(all_names | grep ^agent || true); do end_process "$each"; done
  end_agent_nodes
  for each in $(all_names | grep -v ^agent | tac); do end_process "$each"; done
}

# Waits until one of the heads leads and all of them vote.
await_heads() {
  local tries=300
  while ((tries-- > 0)); do
    (($("$bin/dfsctl" --config "$dir/client.conf" --timeout 2s --json head list 2>/dev/null |
      grep -o '"standing":2' | wc -l) == heads)) && return 0
    sleep 0.05
  done
  echo "local_cluster.sh: the heads have not come together; see $dir/log" >&2
  return 1
}

# Waits until the monitor sees at least $1 storage nodes up.
await_nodes() {
  local tries=200
  while ((tries-- > 0)); do
    (($("$bin/dfsctl" --config "$dir/client.conf" --json cluster status 2>/dev/null |
      grep -o '"state":1' | wc -l) >= $1)) && return 0
    sleep 0.05
  done
  echo "local_cluster.sh: fewer than $1 storage nodes have joined; see $dir/log" >&2
  return 1
}

# The first start: one after the other, so that head-1 and storage-1 get the number 1.
first_start() {
  local each
  for each in $(all_names); do
    if [[ $each == storage-1 ]]; then
      log_in_administrator && await_heads && make_join_token || return 1
    fi
    start_processes "$each" || return 1
    [[ $each != storage-* ]] || await_nodes "${each#*-}" || return 1
  done
}

# Waits, not for ever, until the node that joined last has its share of the groups.
await_groups() {
  local tries=60
  while ((tries-- > 0)); do
    "$bin/dfsctl" --config "$dir/client.conf" --json cluster status 2>/dev/null |
      grep '"groups":0[,}]' >/dev/null || return 0
    sleep 0.05
  done
  return 0
}

# Waits until the monitor has heard of all agents.
await_agents() {
  local tries=200
  while ((tries-- > 0)); do
    (($("$bin/dfsctl" --config "$dir/client.conf" --json node agents 2>/dev/null |
      grep -o '"nodes_max":' | wc -l) >= agents)) && return 0
    sleep 0.05
  done
  echo "local_cluster.sh: not all of $agents agents are heard; see $dir/log" >&2
  return 1
}

start_all() {
  if [[ -e $dir/established ]]; then
    start_processes $(all_names) && log_in_administrator || return 1
    await_heads && await_nodes "$storages" || return 1
  else
    first_start && await_groups || return 1
  fi
  ((agents == 0)) || await_agents
}

up() {
  [[ -n $bin ]] || bin=$root/build/release/bin
  local advice="build first: cmake --preset release && cmake --build --preset release"
  [[ -x $bin/dfsd && -x $bin/dfsctl ]] || fail "no dfsd and dfsctl in $bin; $advice"
  bin=$(cd "$bin" && pwd)
  [[ -z $extras ]] || cp "$extras" "$dir/extra.conf"

  local attempt
  for attempt in 1 2 3 4 5; do
    if [[ -z $base_port ]]; then
      if [[ -z $port || $port == auto ]]; then
        auto_port=yes
        base_port=$(free_ports $((head_ports * heads + storages)))
      else
        base_port=$port
      fi
    fi
    save
    write_settings
    if start_all; then
      report
      return 0
    fi
    # Somebody may have taken a port between our probe and the bind.
    grep -qiE 'address (already )?in use' "$dir"/log/*.out "$dir"/log/*.log 2>/dev/null || break
    [[ $auto_port == yes && ! -e $dir/established ]] || break
    stop_processes
    # Heads remember the ports they were founded with; nothing of value is there yet.
    rm -rf "$dir/data" "$dir/tickets" "$dir"/conf/*-password "$dir"/log/*.log "$dir"/log/*.out
    base_port=
  done
  fail "the cluster in $dir is not complete; stop it with: $0 down --dir $dir"
}

report() {
  touch "$dir/established"
  cat <<TEXT
cluster in $dir: heads $heads, storage nodes $storages, copies of each block $replicas
  export DFS_CONFIG=$dir/client.conf PATH=$bin:\$PATH
  dfsctl cluster status
TEXT
}

status() {
  local each pid state failed=0
  printf '%-18s %-8s %-8s %s\n' NAME STATE PID PORT
  for each in $(all_names); do
    state=stopped pid=-
    if pid=$(pid_of "$each"); then
      state=running
      [[ $(state_of_pid "$pid") != T ]] || state=frozen
    else
      pid=-
    fi
    [[ $state == running ]] || failed=1
    printf '%-18s %-8s %-8s %s\n' "$each" "$state" "$pid" "$(port_of "$each")"
  done
  while read -r pid each; do
    printf '%-18s %-8s %-8s %s\n' "$(basename "$(dirname "$each")")/$(basename "$each")" running \
      "$pid" "$(sed 's/.*://' "$each/ready" 2>/dev/null || true)"
  done < <(agent_nodes)
  return $failed
}

# One command at a time per cluster.
exec 9>"$dir/.lock"
flock -w 60 9 || fail "another local_cluster.sh works on $dir"

asked_secure=$secure asked_heads=$heads asked_storages=$storages asked_agents=$agents
asked_replicas=$replicas
if [[ -f $dir/cluster.env ]]; then
  agents=0
  load
  # What was decided when the cluster began stays.
  if [[ $command == up ]]; then
    [[ -z $asked_secure || $secure == yes ]] || fail "the cluster in $dir is insecure"
    [[ -z $asked_heads || $asked_heads == "$heads" ]] || fail "the cluster in $dir has $heads heads"
    [[ -z $asked_storages || $asked_storages == "$storages" ]] ||
      fail "the cluster in $dir has $storages storages; take another --dir, or down --purge first"
    [[ -z $asked_agents || $asked_agents == "$agents" ]] ||
      fail "the cluster in $dir has $agents agents"
    [[ -z $asked_replicas || $asked_replicas == "$replicas" ]] ||
      fail "the cluster in $dir keeps $replicas copies"
  fi
else
  heads=${heads:-1} storages=${storages:-4} agents=${agents:-1}
  ((storages >= 1)) || misuse "--storages is at least 1"
  [[ -n $replicas ]] || replicas=$((storages > 1 ? 2 : 1))
fi
[[ -z $name ]] || known "$name" || fail "no $name in $dir; there are: $(all_names | xargs)"

case $command in
  up) up ;;
  down)
    stop_processes
    rm -rf "$dir/run"
    if [[ $purge == yes ]]; then
      rm -rf "$dir/data" "$dir/log" "$dir/conf" "$dir/keys" "$dir/tickets" \
        "$dir"/{client,node}.conf "$dir/cluster.env" "$dir/extra.conf" "$dir/established" \
        "$dir/.lock"
      rmdir "$dir" 2>/dev/null || true
    fi
    echo "stopped"
    ;;
  status) status ;;
  start)
    mkdir -p "$dir/run"
    start_processes "$name" || exit 1
    echo "$name runs, pid $(pid_of "$name")"
    ;;
  stop) end_process "$name" ;;
  kill | freeze | thaw)
    pid=$(pid_of "$name") || fail "$name does not run"
    case $command in
      freeze) kill -STOP "$pid" ;;
      thaw) kill -CONT "$pid" ;;
      kill)
        kill -KILL "$pid"
        wait_gone "$pid" 100 || fail "$name (pid $pid) does not end"
        rm -f "$dir/run/$name.pid" "$dir/run/$name.ready"
        ;;
    esac
    ;;
esac
