# The keys of local_cluster.sh, and the settings that go by them. Sourced by it, with $dir, $bin,
# $secure, $agents and $storages set.
# shellcheck shell=bash

# How a process of the role connects: the lines of its settings for that.
security_settings() {
  local i admitted=()
  if [[ $secure != yes ]]; then
    echo "insecure = true"
  elif [[ $1 == head ]]; then
    echo "keys = \"$dir/keys\""
    for ((i = 1; i <= agents; ++i)); do
      admitted+=("agent/agent-$i=$("$bin/dfsd" key --dir "$dir/data/agent-$i")")
    done
    local IFS=,
    ((agents == 0)) || echo "admit = [$(quoted "${admitted[*]}")]"
  else
    grep '^cluster-key' "$dir/keys/cluster.pub"
    [[ $1 != storage ]] || echo "join-token = \"@$dir/conf/join-token\""
  fi
}

# What lets the storage nodes in, where that is asked for.
make_join_token() {
  [[ $secure == yes ]] || return 0
  (umask 077 && "$bin/dfsctl" --config "$dir/client.conf" node token --uses "$storages" \
    2>/dev/null >"$dir/conf/join-token")
}
