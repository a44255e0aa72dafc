#!/usr/bin/env bash
# Measures the stores and prints the table of the README at the end. Starts a PostgreSQL and a MongoDB (or a stand-in for it)
# unless PUSHI_TEST_POSTGRES_URL and PUSHI_TEST_MONGO_URL name servers.
#
#     bash benches/stores.sh [FLAG...]      flags of criterion, such as --quick
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TESTS=$ROOT/tests
cd "$ROOT"
# shellcheck source=tests/setup/packages.sh
. "$TESTS/setup/packages.sh"
# shellcheck source=tests/setup/clients.sh
. "$TESTS/setup/clients.sh"
# shellcheck source=tests/setup/services.sh
. "$TESTS/setup/services.sh"

trap stop_services EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

command -v cargo >/dev/null || die "there is no cargo: install Rust as its own page says, then run this again"
need_command cc gcc libc6-dev
start_postgres
start_mongo
cargo bench --locked --bench stores -- "$@"
