# The keys and the administrator of local_cluster.sh, and the settings that go by them. Sourced by
# it, with $dir, $bin, $secure, $agents and $storages set.
# shellcheck shell=bash

# Whoever calls may be somebody else in the cluster than its administrator.
unset DFS_TICKET DFS_TICKET_DIR

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

# Logs in as administrator, for whoever has D/client.conf. The one-time password that the founder of
# the cluster left is changed to a random one, which is kept.
log_in_administrator() {
  [[ $secure == yes ]] || return 0
  local tries=600 first=$dir/conf/first-password kept=$dir/conf/admin-password
  local ctl=("$bin/dfsctl" --config "$dir/client.conf" --quiet)
  # The lock actor writes it when it begins.
  until [[ -s $first || -s $kept ]]; do
    if ((tries-- == 0)); then
      echo "local_cluster.sh: the cluster has no users yet; see $dir/log" >&2
      return 1
    fi
    sleep 0.05
  done
  if [[ -s $first ]]; then
    [[ -s $kept ]] ||
      (umask 077 && head -c 18 /dev/urandom | base64 -w 0 | tr '+/' '-_' >"$kept")
    if "${ctl[@]}" login admin --password-file "$first" >/dev/null 2>&1; then
      { cat "$first" "$kept"; } | "${ctl[@]}" passwd --password-file - >/dev/null || return 1
    fi
    rm -f "$first"
  fi
  "${ctl[@]}" user list >/dev/null 2>&1 ||
    "${ctl[@]}" login admin --password-file "$kept" >/dev/null
}
