# shellcheck shell=bash
# Servers that a run starts, each on a free port in its own folder, and stops by pid. Sourced by run.sh.

SERVICE_PIDS=()
SERVICE_FOLDERS=()
# The signal that stops a service at once, if it is not INT, which some ignore when started in the background.
declare -A SERVICE_SIGNALS=()

# stop_services: stops the services started here, and no others.
stop_services() {
  local pid folder
  for pid in ${SERVICE_PIDS[@]+"${SERVICE_PIDS[@]}"}; do
    kill "-${SERVICE_SIGNALS[$pid]:-INT}" "$pid" 2>/dev/null || true
  done
  for pid in ${SERVICE_PIDS[@]+"${SERVICE_PIDS[@]}"}; do
    wait "$pid" 2>/dev/null || true
  done
  for folder in ${SERVICE_FOLDERS[@]+"${SERVICE_FOLDERS[@]}"}; do
    rm -rf "$folder"
  done
}

# service_folder NAME USER: creates an empty folder owned by USER and sets SERVICE_FOLDER.
service_folder() {
  SERVICE_FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/pushi-$1.XXXXXX")
  SERVICE_FOLDERS+=("$SERVICE_FOLDER")
  if [ "$(id -un)" != "$2" ]; then chown "$2" "$SERVICE_FOLDER"; fi
}

# as USER COMMAND...: runs COMMAND as USER, directly if that is the current user.
as() {
  local user=$1
  shift
  if [ "$(id -un)" = "$user" ]; then "$@"; else setpriv --reuid="$user" --regid="$user" --init-groups "$@"; fi
}

# free_port: prints an unused port of the loopback interface.
free_port() {
  /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# await SECONDS WHAT COMMAND...: repeats the command until it succeeds or the time is over.
await() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || die "$what is not ready in time"
    sleep 0.1
  done
}

needs_postgres() {
  [ -n "${PUSHI_TEST_POSTGRES_URL:-}" ] || need postgresql
}

# start_postgres: starts a PostgreSQL and sets PUSHI_TEST_POSTGRES_URL, unless it is already set.
start_postgres() {
  [ -z "${PUSHI_TEST_POSTGRES_URL:-}" ] || return 0
  needs_postgres
  local bin port user
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  [ -x "$bin/initdb" ] || die "postgresql is installed, but $bin/initdb is not there"
  # initdb does not run as root.
  user=$(id -un)
  if [ "$(id -u)" = 0 ]; then user=postgres; fi
  service_folder postgres "$user"
  port=$(free_port)
  (
    cd /
    as "$user" "$bin/initdb" -D "$SERVICE_FOLDER/data" -U pushi --auth=trust --encoding=UTF8 --locale=C --no-sync
  ) >"$SERVICE_FOLDER/initdb.log" 2>&1 || die "initdb: $(cat "$SERVICE_FOLDER/initdb.log")"
  (
    cd /
    exec_as "$user" "$bin/postgres" -D "$SERVICE_FOLDER/data" -p "$port" -c listen_addresses=127.0.0.1 \
      -c unix_socket_directories="$SERVICE_FOLDER" -c max_connections=300
  ) >"$SERVICE_FOLDER/postgres.log" 2>&1 &
  SERVICE_PIDS+=($!)
  await 30 PostgreSQL "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -U pushi
  export PUSHI_TEST_POSTGRES_URL="postgres://pushi@127.0.0.1:$port/postgres"
}

needs_redis() {
  [ -n "${PUSHI_TEST_REDIS_URL:-}" ] || need_command redis-server redis-server
}

# start_redis: starts a Redis and sets PUSHI_TEST_REDIS_URL, unless it is already set.
start_redis() {
  [ -z "${PUSHI_TEST_REDIS_URL:-}" ] || return 0
  needs_redis
  local port
  service_folder redis "$(id -un)"
  port=$(free_port)
  redis-server --port "$port" --bind 127.0.0.1 --dir "$SERVICE_FOLDER" --save '' --appendonly no \
    >"$SERVICE_FOLDER/redis.log" 2>&1 &
  SERVICE_PIDS+=($!)
  await 30 Redis redis-cli -p "$port" ping
  export PUSHI_TEST_REDIS_URL="redis://127.0.0.1:$port"
}

# exec_as USER COMMAND...: like `as`, but with exec, so that the pid is the command's.
exec_as() {
  local user=$1
  shift
  if [ "$(id -un)" = "$user" ]; then exec "$@"; else exec setpriv --reuid="$user" --regid="$user" --init-groups "$@"; fi
}

# began PID SIGNAL: registers a service to be stopped with SIGNAL at the end.
began() {
  SERVICE_PIDS+=("$1")
  SERVICE_SIGNALS[$1]=$2
}

# listens PORT: whether the port accepts connections on the loopback interface.
listens() {
  /usr/bin/python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$1"
}

install_mongo_jars() {
  printf '== fetching a stand-in for MongoDB\n'
  mvn -q -B -f "$TESTS/mongo/pom.xml" dependency:copy-dependencies -DoutputDirectory="$1"
}

install_other_mongo() {
  printf '== installing a second stand-in for MongoDB\n'
  install_pinned "$TESTS/mongo/requirements.lock" "$1"
}

needs_mongo() {
  if [ -n "${PUSHI_TEST_MONGO_URL:-}" ] || command -v mongod >/dev/null; then return 0; fi
  need_command javac openjdk-17-jdk-headless
  need_command mvn maven
}

# start_mongo: starts a MongoDB and sets PUSHI_TEST_MONGO_URL, unless it is already set. It is a
# `mongod` if one is installed, otherwise a server with the same protocol.
start_mongo() {
  [ -z "${PUSHI_TEST_MONGO_URL:-}" ] || return 0
  local port jars
  service_folder mongo "$(id -un)"
  port=$(free_port)
  if command -v mongod >/dev/null; then
    mongod --dbpath "$SERVICE_FOLDER" --port "$port" --bind_ip 127.0.0.1 >"$SERVICE_FOLDER/mongod.log" 2>&1 &
  else
    needs_mongo
    jars=$CACHE/mongo-$(key "$TESTS/mongo/pom.xml")
    fill "$jars" install_mongo_jars
    java -Xmx512m -cp "$jars/*" "$TESTS/mongo/StandIn.java" "$port" >"$SERVICE_FOLDER/stand-in.log" 2>&1 &
  fi
  began $! TERM
  await 60 MongoDB listens "$port"
  export PUSHI_TEST_MONGO_URL="mongodb://127.0.0.1:$port"
}

needs_other_mongo() {
  [ -n "${PUSHI_TEST_OTHER_MONGO_URL:-}" ] || need python3-venv
}

# start_other_mongo: the same for PUSHI_TEST_OTHER_MONGO_URL and another stand-in, which deviates in other places.
start_other_mongo() {
  [ -z "${PUSHI_TEST_OTHER_MONGO_URL:-}" ] || return 0
  needs_other_mongo
  local port folder
  folder=$CACHE/other-mongo-$(key "$TESTS/mongo/requirements.lock" <(/usr/bin/python3 --version))
  fill "$folder" install_other_mongo
  service_folder other-mongo "$(id -un)"
  port=$(free_port)
  "$folder/bin/nx-27017" --data-dir "$SERVICE_FOLDER" --port "$port" --log-file "$SERVICE_FOLDER/log" \
    --pid-file "$SERVICE_FOLDER/pid" >"$SERVICE_FOLDER/out" 2>&1 &
  began $! TERM
  await 60 'the second stand-in for MongoDB' listens "$port"
  export PUSHI_TEST_OTHER_MONGO_URL="mongodb://127.0.0.1:$port"
}
