#!/usr/bin/env bash
# Installs packages, builds, and runs every test. Ends with "N passed, N failed".
#
#   test.sh            all of it
#   test.sh --quick    without sanitizers and fuzzing
#   test.sh --soak     with 2,000 seeds of each simulation, longer system tests, and the mutants
#
# The output of each step is kept in build/test-logs/.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
cd "$root" || exit 1
logs=$root/build/test-logs
mode=default
for argument in "$@"; do
  case $argument in
    --quick) mode=quick ;;
    --soak) mode=soak ;;
    -h | --help)
      sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *)
      echo "test.sh: unknown argument $argument; there are --quick and --soak" >&2
      exit 2
      ;;
  esac
done
mkdir -p "$logs"

passed=0 failed=0
count() { # STEP PASSED FAILED STATUS SECONDS
  local note=ok
  local good=$2 bad=$3
  # A step that dies has failed, whatever it had counted; so has one that counted nothing.
  if (($4 != 0 && bad == 0)); then bad=1; fi
  if ((good == 0 && bad == 0)); then bad=1; fi
  ((bad == 0)) || note="FAILED, see $logs/$1.log"
  passed=$((passed + good))
  failed=$((failed + bad))
  printf '%-24s %6d passed %4d failed  %4d s  %s\n' "$1" "$good" "$bad" "$5" "$note"
  ((bad == 0)) || tail -n 25 "$logs/$1.log" | sed 's/^/    | /'
}

# A step that passes or fails as a whole: STEP COMMAND…
whole() {
  local step=$1 begun=$SECONDS status=0
  shift
  "$@" >"$logs/$step.log" 2>&1 </dev/null || status=$?
  count "$step" $((status == 0 ? 1 : 0)) $((status == 0 ? 0 : 1)) "$status" $((SECONDS - begun))
  return "$status"
}

# A doctest program: the counts are in "[doctest] test cases: N | N passed | N failed".
units() {
  local step=$1 begun=$SECONDS status=0 line good bad
  shift
  "$@" >"$logs/$step.log" 2>&1 </dev/null || status=$?
  line=$(sed 's/\x1b\[[0-9;]*m//g' "$logs/$step.log" | grep -a '^\[doctest\] test cases:' |
    tail -n 1)
  good=$(grep -oE '[0-9]+ passed' <<<"$line" | grep -oE '[0-9]+' || echo 0)
  bad=$(grep -oE '[0-9]+ failed' <<<"$line" | grep -oE '[0-9]+' || echo 0)
  count "$step" "$good" "$bad" "$status" $((SECONDS - begun))
}

# A program that ends with "N passed, N failed".
lines() {
  local step=$1 begun=$SECONDS status=0 line good bad
  shift
  "$@" >"$logs/$step.log" 2>&1 </dev/null || status=$?
  line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed' "$logs/$step.log" | tail -n 1)
  good=$(grep -oE '^[0-9]+' <<<"$line" || echo 0)
  bad=$(grep -oE '[0-9]+ failed' <<<"$line" | grep -oE '[0-9]+' || echo 0)
  count "$step" "$good" "$bad" "$status" $((SECONDS - begun))
}

build() { # PRESET TARGET…
  local preset=$1
  shift
  whole "build-$preset" bash -c 'cmake --preset "$0" && cmake --build --preset "$0" --target "$@"' \
    "$preset" "$@"
}

finish() {
  echo
  echo "$passed passed, $failed failed"
  exit $((failed == 0 ? 0 : 1))
}

"$here/packages.sh" --tests || { echo "test.sh: packages are missing" >&2; exit 1; }

build release dfsd dfsctl dfs_tests dfs_sim dfs_load dfs_unsynced dfs_hostile || finish
bin=$root/build/release/bin
units unit "$bin/dfs_tests"
seeds=1..200
[[ $mode != soak ]] || seeds=1..2000
lines simulator-group "$bin/dfs_sim" --kind group --seeds "$seeds"
lines simulator-locks "$bin/dfs_sim" --kind locks --seeds "$seeds"
lines simulator-cluster "$bin/dfs_sim" --kind cluster --seeds "$seeds"
system=(python3 tests/system/run.py --bin "$bin" --jobs 2)
[[ $mode != soak ]] || system+=(--full)
lines system "${system[@]}"

if [[ $mode != quick ]]; then
  if build asan dfs_tests dfs_sim; then
    export ASAN_OPTIONS=detect_stack_use_after_return=1
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    units unit-asan "$root/build/asan/bin/dfs_tests"
    lines simulator-asan-group "$root/build/asan/bin/dfs_sim" --kind group --seeds 1..20
    lines simulator-asan-locks "$root/build/asan/bin/dfs_sim" --kind locks --seeds 1..20
    lines simulator-asan-cluster "$root/build/asan/bin/dfs_sim" --kind cluster --seeds 1..10
  fi
  if build tsan dfsd dfsctl dfs_load test_broker; then
    export TSAN_OPTIONS=suppressions=$root/tests/tsan.supp
    units broker-tsan "$root/build/tsan/bin/test_broker"
    # Whole processes, in the tests without limits of time that a slower program would break. A
    # test with a report in the output of any process has failed.
    lines system-tsan python3 tests/system/run.py --bin "$root/build/tsan/bin" \
      S1_1_ S2_1_directories F7_a_server F8_ A5_large events_show F11_blocks_are_encrypted
  fi
  if command -v clang++ >/dev/null; then
    if build fuzz all; then
      seconds=30
      [[ $mode != soak ]] || seconds=600
      for target in "$root"/build/fuzz/bin/fuzz_*; do
        whole "$(basename "$target")" "$target" -max_total_time=$seconds -max_len=4096 \
          -print_final_stats=1 -artifact_prefix="$logs/" \
          "$root/build/fuzz/corpus" "$root/tests/messages/golden"
      done
    fi
  else
    echo "fuzzing is left out: there is no clang"
  fi
fi
[[ $mode != soak ]] || lines mutants python3 tests/mutants/run.py
finish
