#!/usr/bin/env bash
# What several nodes cost: one node with 1,000 subscribers against two with 500 each, over Redis; and a presence channel of
# many members on two nodes.
#
#     bash benches/nodes.sh [ROUNDS [MEMBERS]]     3 rounds and 10,000 members where none is named; 0 members: none
#
# PUSHI_BIN names another binary than target/release/pushi. On few cores it is the time of the processors that says
# something: how much of it a delivery takes, all nodes together, as a share of what one node takes. Redis is not in it,
# and is shown beside it.
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

start_postgres
start_redis
service_folder nodes "$(id -un)"
SCRATCH=$SERVICE_FOLDER
trap stop_services EXIT
REDIS_PID=$(redis-cli -u "$PUSHI_TEST_REDIS_URL" info server | sed -n 's/^process_id:\([0-9]*\).*/\1/p')

export PUSHI_APP_ID=1 PUSHI_APP_KEY=key PUSHI_APP_SECRET=secret DATABASE_URL=$PUSHI_TEST_POSTGRES_URL RUST_LOG=warn

# start_node NAME [BUS]: its WebSocket port is PORT afterwards, its pid NODE.
start_node() {
  PORT=$(free_port)
  local api
  api=$(free_port)
  (cd "$SCRATCH" && APP_PORT=$api SERVER_PORT=$PORT BUS_URL=${2:-} exec "$BIN" serve) </dev/null >"$SCRATCH/$1.log" 2>&1 &
  NODE=$!
  began "$NODE" TERM
  await 30 "$1" listens "$PORT"
}

# ticks PID...: the processor time of all of them so far, in clock ticks.
ticks() {
  local pid sum=0
  for pid in "$@"; do
    sum=$((sum + $(awk '{print $14 + $15}' "/proc/$pid/stat")))
  done
  printf '%s' "$sum"
}

# fan PORT SUBSCRIBERS: deliveries of a run.
fan() {
  "$BIN" bench fanout --json --url "ws://127.0.0.1:$1/key" --channel bench-0 --subscribers "$2" --seconds 4 </dev/null |
    /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["deliveries"])'
}

# hold PORT SUBSCRIBERS: others on the channel, in the background as HOLDER.
hold() {
  "$BIN" bench idle --url "ws://127.0.0.1:$1/key" --connections "$2" --channels 1 --seconds 60 </dev/null >/dev/null 2>&1 &
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
  "$BIN" bench presence --url "ws://127.0.0.1:$1/key" --members $((MEMBERS / 2)) --first "$2" --late "$3" --in-flight 50 --patience 300 </dev/null
}
# on_list: how many users the presence list in Redis has.
on_list() {
  local key most=0 count
  while read -r key; do
    count=$(redis-cli -u "$PUSHI_TEST_REDIS_URL" hlen "$key" 2>/dev/null | grep -xE '[0-9]+' || printf 0)
    [ "$count" -le "$most" ] || most=$count
  done < <(redis-cli -u "$PUSHI_TEST_REDIS_URL" --scan --pattern '*presence-bench*')
  printf '%s' "$most"
}

# The members of the second node stay, held by a generator that is stopped once everybody is there: it takes no processor's
# time from what is measured. Not before: what its members are told waits in the kernel, which slows down when that is much.
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
