#!/usr/bin/env bash
# Measures the cost of several nodes: one node with 1,000 subscribers against two with 500 each, over Redis; and a presence
# channel with many members on two nodes.
#
#     bash benches/nodes.sh [ROUNDS [MEMBERS]]     defaults: 3 rounds and 10,000 members; 0 members skips presence
#
# PUSHI_BIN and PUSHI_BENCH_BIN name other binaries than target/release/pushi and target/release/pushi-bench, which
# `cargo build --release --workspace` builds. With few cores only CPU time is comparable: the CPU time per delivery of all
# nodes together, as a ratio to that of one node. Redis is not included, and is shown separately.
set -euo pipefail

ROOT=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
TESTS=$ROOT/tests
# shellcheck source=tests/setup/packages.sh
. "$TESTS/setup/packages.sh"
# shellcheck source=tests/setup/services.sh
. "$TESTS/setup/services.sh"
ROUNDS=${1:-3}
MEMBERS=${2:-10000}
BIN=$(realpath "${PUSHI_BIN:-$ROOT/target/release/pushi}")
BENCH=$(realpath "${PUSHI_BENCH_BIN:-$ROOT/target/release/pushi-bench}")

start_postgres
start_redis
service_folder nodes "$(id -un)"
SCRATCH=$SERVICE_FOLDER
trap stop_services EXIT
REDIS_PID=$(redis-cli -u "$PUSHI_TEST_REDIS_URL" info server | sed -n 's/^process_id:\([0-9]*\).*/\1/p')

export PUSHI_APP_ID=1 PUSHI_APP_KEY=key PUSHI_APP_SECRET=secret DATABASE_URL=$PUSHI_TEST_POSTGRES_URL RUST_LOG=warn

# start_node NAME [BUS]: starts a node and sets PORT to its WebSocket port and NODE to its pid.
start_node() {
  PORT=$(free_port)
  local api
  api=$(free_port)
  (cd "$SCRATCH" && APP_PORT=$api SERVER_PORT=$PORT BUS_URL=${2:-} exec "$BIN" serve) </dev/null >"$SCRATCH/$1.log" 2>&1 &
  NODE=$!
  began "$NODE" TERM
  await 30 "$1" listens "$PORT"
}

# ticks PID...: prints the CPU time of these processes so far, in clock ticks.
ticks() {
  local pid sum=0
  for pid in "$@"; do
    sum=$((sum + $(awk '{print $14 + $15}' "/proc/$pid/stat")))
  done
  printf '%s' "$sum"
}

# fan PORT SUBSCRIBERS: prints the number of deliveries of a run.
fan() {
  "$BENCH" fanout --json --url "ws://127.0.0.1:$1/key" --channel bench-0 --subscribers "$2" --seconds 4 </dev/null |
    /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["deliveries"])'
}

# hold PORT SUBSCRIBERS: starts further subscribers of the channel in the background, with pid HOLDER.
hold() {
  "$BENCH" idle --url "ws://127.0.0.1:$1/key" --connections "$2" --channels 1 --seconds 60 </dev/null >/dev/null 2>&1 &
  HOLDER=$!
  sleep 2
}

start_node alone
ALONE=$NODE ALONE_PORT=$PORT
start_node first "$PUSHI_TEST_REDIS_URL"
FIRST=$NODE FIRST_PORT=$PORT
start_node second "$PUSHI_TEST_REDIS_URL"
SECOND=$NODE SECOND_PORT=$PORT
PER_SECOND=$(getconf CLK_TCK)

for round in $(seq "$ROUNDS"); do
  before=$(ticks "$ALONE")
  one=$(fan "$ALONE_PORT" 1000)
  one_ticks=$(($(ticks "$ALONE") - before))
  before=$(ticks "$FIRST" "$SECOND") redis_before=$(ticks "$REDIS_PID")
  hold "$SECOND_PORT" 500
  two=$(($(fan "$FIRST_PORT" 500) * 2))
  two_ticks=$(($(ticks "$FIRST" "$SECOND") - before)) redis_ticks=$(($(ticks "$REDIS_PID") - redis_before))
  kill "$HOLDER" 2>/dev/null || true
  wait "$HOLDER" 2>/dev/null || true
  awk -v n="$round" -v a="$one" -v x="$one_ticks" -v b="$two" -v y="$two_ticks" -v r="$redis_ticks" -v t="$PER_SECOND" 'BEGIN {
    one = x * 1e6 / t / a; two = y * 1e6 / t / b
    printf "round %d: one node %.3f µs a delivery, two %.3f (Redis %.3f): %.2f of one node\n", n, one, two, r * 1e6 / t / b, one / two
  }'
done

[ "$MEMBERS" != 0 ] || exit 0
presence() {
  "$BENCH" presence --url "ws://127.0.0.1:$1/key" --members $((MEMBERS / 2)) --first "$2" --late "$3" --in-flight 50 --patience 300 </dev/null
}
# on_list: prints the number of users on the presence list in Redis.
on_list() {
  local key most=0 count
  while read -r key; do
    count=$(redis-cli -u "$PUSHI_TEST_REDIS_URL" hlen "$key" 2>/dev/null | grep -xE '[0-9]+' || printf 0)
    [ "$count" -le "$most" ] || most=$count
  done < <(redis-cli -u "$PUSHI_TEST_REDIS_URL" --scan --pattern '*presence-bench*')
  printf '%s' "$most"
}

# The members of the second node stay connected. Their generator is stopped (SIGSTOP) once all have joined, so that it uses no
# CPU time during the measurement. Not earlier: frames for its members would fill the kernel's buffers, which slows the kernel.
presence "$SECOND_PORT" 1000000 100000 >/dev/null 2>&1 &
OTHER=$!
until [ "$(on_list)" -gt $((MEMBERS / 2 + 1)) ]; do sleep 0.5; done
presence "$FIRST_PORT" 0 60 >"$SCRATCH/report" 2>&1 &
MEASURED=$!
until [ "$(on_list)" -ge "$MEMBERS" ] || ! kill -0 "$MEASURED" 2>/dev/null; do sleep 0.2; done
pkill -STOP -P "$OTHER" || kill -STOP "$OTHER"
wait "$MEASURED" && done=0 || done=$?
cat "$SCRATCH/report"
pkill -KILL -P "$OTHER" || true
kill -KILL "$OTHER" 2>/dev/null || true
wait "$OTHER" 2>/dev/null || true
exit "$done"
