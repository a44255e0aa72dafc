#!/usr/bin/env bash
# Fuzzes each target for some seconds, two at a time, with any Rust and a C++ compiler:
#
#     bash tests/fuzz/run.sh SECONDS [TARGET...]
#
# New inputs are kept in target/fuzz/corpus, so that a later run continues. An input that breaks a rule is printed, with the
# command that repeats it: commit it to tests/fuzz/corpus/TARGET with the mend. The last line is `N passed, N failed`.
set -euo pipefail

FUZZ=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$FUZZ/../.." && pwd)
TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
SECONDS_EACH=${1:?usage: bash tests/fuzz/run.sh SECONDS [TARGET...]}
shift
if [ $# = 0 ]; then
  for source in "$FUZZ"/fuzz_targets/*.rs; do set -- "$@" "$(basename "$source" .rs)"; done
fi

cd "$FUZZ"
export CARGO_TARGET_DIR=$TARGET_DIR
# Not with --locked: the lock names the version of the server, which changes with each release.
# Built apart from the targets, as Cargo.toml explains.
LIBFUZZER=$(cargo build --quiet --package libfuzzer-sys --message-format json |
  sed -n 's/.*"reason":"build-script-executed".*libfuzzer-sys.*"out_dir":"\([^"]*\)".*/\1/p')
[ -f "$LIBFUZZER/libfuzzer.a" ] || { printf 'libfuzzer-sys has built no libfuzzer.a\n' >&2; exit 1; }
PUSHI_LIBFUZZER=$LIBFUZZER/libfuzzer.a RUSTC_WRAPPER=$FUZZ/rustc cargo build --no-default-features --bins

WORK=$TARGET_DIR/fuzz
RESULTS=$(mktemp -d "${TMPDIR:-/tmp}/pushi-fuzz.XXXXXX")
trap 'rm -rf "$RESULTS"' EXIT

# fuzz TARGET: one target, with its log and its result in RESULTS.
fuzz() {
  local target=$1 found=$WORK/corpus/$1 status=0
  mkdir -p "$found" "$WORK/artifacts"
  # The exit code of a time limit is 0. Leaks are not looked for: they need the sanitizer.
  "$TARGET_DIR/debug/$target" "$found" "corpus/$target" -max_total_time="$SECONDS_EACH" -seed=1 -max_len=4096 -timeout=10 \
    -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$WORK/artifacts/$target-" >"$RESULTS/$target.log" 2>&1 || status=$?
  echo "$status" >"$RESULTS/$target.status"
}

for target in "$@"; do
  while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || true; done
  fuzz "$target" &
done
wait

PASSED=0 FAILED=0
for target in "$@"; do
  log=$RESULTS/$target.log
  if [ "$(cat "$RESULTS/$target.status")" = 0 ]; then
    PASSED=$((PASSED + 1))
    printf '%-18s passed: %s inputs tried\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  else
    FAILED=$((FAILED + 1))
    printf '%-18s FAILED\n' "$target"
    tail -n 40 "$log"
    artifact=$(sed -n 's/.*Test unit written to //p' "$log")
    printf 'repeat: %s %s\n' "$TARGET_DIR/debug/$target" "$artifact"
  fi
done
printf '%s passed, %s failed\n' "$PASSED" "$FAILED"
[ "$FAILED" = 0 ]
