#!/usr/bin/env bash
# Sets up the dependencies of the tests and runs all suites: Rust, the clients against the real binary, the browser.
#
#     bash tests/run.sh [rust] [clients] [browser] [fuzz] [soak] [attacks]      default: the first three; with CI=true the first five
#
# `attacks` measures times while other clients attack: it needs a machine that does nothing else. `soak` looks for 5 minutes
# (PUSHI_SOAK_MINUTES) whether the server holds more and more, `fuzz` for a minute (PUSHI_FUZZ_SECONDS) each at every target.
# PUSHI_BIN replaces the binary target/release/pushi. The last line is `N passed, N failed`, over the clients and
# the browser; the exit code is 0 only if everything passed, including cargo's tests.
set -euo pipefail

TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$TESTS")
cd "$ROOT"
# shellcheck source=tests/setup/packages.sh
. "$TESTS/setup/packages.sh"
# shellcheck source=tests/setup/clients.sh
. "$TESTS/setup/clients.sh"
# shellcheck source=tests/setup/generators.sh
. "$TESTS/setup/generators.sh"
# shellcheck source=tests/setup/actionlint.sh
. "$TESTS/setup/actionlint.sh"
# shellcheck source=tests/setup/image.sh
. "$TESTS/setup/image.sh"
# shellcheck source=tests/setup/services.sh
. "$TESTS/setup/services.sh"

SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/pushi-run.XXXXXX")
clean() {
  stop_services
  rm -rf "$SCRATCH"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

DEFAULT="rust clients browser"
if [ "${CI:-}" = true ]; then DEFAULT+=" fuzz soak"; fi
PARTS=${*:-$DEFAULT}
wants() {
  [[ " $PARTS " == *" $1 "* ]]
}
for part in $PARTS; do
  [[ " rust clients browser fuzz soak attacks " == *" $part "* ]] || die "there is no part $part: rust, clients, browser, fuzz, soak, attacks"
done

FAILED=0
PASSED_TESTS=0
FAILED_TESTS=0

# count PASSED FAILED: adds to the totals of the last line.
count() {
  PASSED_TESTS=$((PASSED_TESTS + $1))
  FAILED_TESTS=$((FAILED_TESTS + $2))
  if [ "$2" -gt 0 ]; then FAILED=1; fi
}

# Each suite starts the servers that it needs.
start_needed_services() {
  if grep -rqs PUSHI_TEST_POSTGRES_URL "$TESTS/contract" "$TESTS/support"; then start_postgres; fi
  if grep -rqs PUSHI_TEST_REDIS_URL "$TESTS/contract" "$TESTS/support"; then start_redis; fi
  if grep -rqs PUSHI_TEST_MONGO_URL "$TESTS/contract" "$TESTS/support"; then start_mongo; fi
  if grep -rqs PUSHI_TEST_OTHER_MONGO_URL "$TESTS/contract" "$TESTS/support"; then start_other_mongo; fi
}

run_rust() {
  printf '== cargo test\n'
  if [ "${CI:-}" = true ]; then export PUSHI_SIMULATION_SECONDS="${PUSHI_SIMULATION_SECONDS:-120}"; fi
  cargo test --workspace --locked --no-fail-fast || FAILED=1
}

ATTACKS=$TESTS/clients/failure/test_attacks.py

# run_pytest TITLE ARGUMENT...: runs pytest. A skipped test counts as failed, since all dependencies must be present.
run_pytest() {
  printf '== %s\n' "$1"
  shift
  local report=$SCRATCH/pytest.xml status=0
  timeout -k 10 2400 "$VENV/bin/python" -m pytest -c "$TESTS/clients/pytest.ini" "$@" -q --durations=5 \
    -p no:cacheprovider --basetemp="$SCRATCH/pytest" --junitxml="$report" || status=$?
  [ $status = 0 ] || FAILED=1
  [ -f "$report" ] || { count 0 1; return 0; }
  # shellcheck disable=SC2046
  count $("$VENV/bin/python" - "$report" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree

suites = list(tree.parse(sys.argv[1]).getroot().iter("testsuite"))
total = {name: sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")}
bad = total["failures"] + total["errors"] + total["skipped"]
print(max(total["tests"] - bad, 0), bad)
PYTHON
  )
}

# run_node TITLE FILE...: runs node's test runner and reads the counts from its TAP report.
run_node() {
  printf '== %s\n' "$1"
  shift
  local report=$SCRATCH/node.tap status=0 passed tests
  # A client that a failed test left open, or pusher-js after its connection was closed, keeps the process running.
  # Through stdout, since --test-force-exit truncates a report that node writes to a file.
  node --test --test-force-exit --test-timeout=600000 --test-reporter=spec --test-reporter-destination=stderr \
    --test-reporter=tap --test-reporter-destination=stdout "$@" 2>&1 >"$report" || status=$?
  tests=$(sed -n 's/^# tests //p' "$report")
  passed=$(sed -n 's/^# pass //p' "$report")
  [ $status = 0 ] || FAILED=1
  count "${passed:-0}" "$((${tests:-1} - ${passed:-0}))"
}

# run_fuzz: all targets of tests/fuzz.
run_fuzz() {
  printf '== fuzz\n'
  local log=$SCRATCH/fuzz.log
  bash "$TESTS/fuzz/run.sh" "${PUSHI_FUZZ_SECONDS:-60}" | tee "$log" || FAILED=1
  # shellcheck disable=SC2046
  count $(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | grep . || echo 0 1)
}

# run_soak: a soak of the binary, with the load generator that `cargo test` builds.
run_soak() {
  printf '== soak\n'
  cargo test --workspace --locked --no-run --test load
  if "${CARGO_TARGET_DIR:-$ROOT/target}/debug/pushi-bench" soak --server "$PUSHI_BIN" \
    --minutes "${PUSHI_SOAK_MINUTES:-5}"; then
    count 1 0
  else
    count 0 1
  fi
}

# The packages of all parts, so that what is missing is known before anything is built.
needs_base() {
  need ca-certificates curl
  need_command cc gcc libc6-dev
}
needs_rust() {
  need_command nginx nginx-light
  need_command haproxy haproxy
}
needs_clients() {
  need_command psql postgresql-client
  need_command nginx nginx-light
}
needs_fuzz() {
  need_command c++ g++
}
needs_browser() {
  need chromium firefox-esr
}
# Where Debian has nginx and HAProxy; not in the path of an ordinary user.
PATH=$PATH:/usr/sbin
NEEDS=(needs_base)
if wants rust; then NEEDS+=(needs_rust needs_postgres needs_redis needs_mongo needs_other_mongo); fi
if wants clients; then NEEDS+=(needs_clients needs_node needs_python needs_postfix needs_generators needs_image needs_mongo needs_postgres needs_redis); fi
if wants attacks; then NEEDS+=(needs_node needs_python); fi
if wants browser; then NEEDS+=(needs_browser needs_node needs_python); fi
if wants fuzz; then NEEDS+=(needs_fuzz); fi
need_all "${NEEDS[@]}"
command -v cargo >/dev/null || die "there is no cargo: install Rust as its own page says, then run this again"

if wants clients || wants browser || wants attacks; then
  setup_node
fi
if wants clients || wants browser || wants attacks || wants soak; then
  if [ -z "${PUSHI_BIN:-}" ]; then
    printf '== cargo build --release (takes some minutes the first time)\n'
    cargo build --release --locked
    PUSHI_BIN=${CARGO_TARGET_DIR:-$ROOT/target}/release/pushi
  fi
  PUSHI_BIN=$(realpath "$PUSHI_BIN")
  export PUSHI_BIN
fi

if wants rust; then
  start_needed_services
  run_rust
fi
if wants clients; then
  setup_python
  setup_rust_library
  setup_original
  setup_postfix
  setup_generators
  setup_actionlint
  LEFT_OUT=("--ignore=$ATTACKS")
  if can_build_images; then
    setup_image
  else
    printf '== left out: the container image, which takes root and mounts\n'
    LEFT_OUT+=("--ignore=$TESTS/clients/deploy/test_image.py")
  fi
  start_mongo
  start_postgres
  run_pytest 'clients in Python' "$TESTS/clients" "${LEFT_OUT[@]}"
  run_node 'clients in Node' "$TESTS"/clients/node/*.test.mjs "$TESTS"/clients/web/*.test.mjs
  run_node "Pusher's clients in Node" "$TESTS"/clients/libraries/*.test.mjs
  start_redis
  run_node 'clients of several nodes' "$TESTS"/clients/cluster/*.test.mjs
fi
if wants attacks; then
  setup_python
  run_pytest 'attacks' "$ATTACKS"
fi
if wants browser; then
  setup_python
  start_postgres
  start_redis
  need_command psql postgresql-client
  export PUSHI_PYTHON=$VENV/bin/python
  run_node 'browser' "$TESTS"/browser/*.test.mjs
fi

if wants fuzz; then
  run_fuzz
fi
if wants soak; then
  run_soak
fi

if [ "$FAILED" != 0 ]; then printf 'tests/run.sh: something above failed\n' >&2; fi
printf '%s passed, %s failed\n' "$PASSED_TESTS" "$FAILED_TESTS"
exit "$FAILED"
