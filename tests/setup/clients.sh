# shellcheck shell=bash
# The client libraries, in a cache outside the repository that is keyed by their pinned versions. Sourced by run.sh.

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pushi-tests

# key FILE...: prints a short hash of the files' contents.
key() {
  cat "$@" | sha256sum | cut -c1-16
}

# fill FOLDER COMMAND...: creates FOLDER by running COMMAND on it, unless that has completed before. Concurrent runs
# wait for each other.
fill() {
  local folder=$1
  shift
  [ ! -e "$folder/complete" ] || return 0
  mkdir -p "$CACHE"
  (
    flock 9
    [ ! -e "$folder/complete" ] || exit 0
    rm -rf "$folder"
    mkdir "$folder"
    "$@" "$folder"
    touch "$folder/complete"
  ) 9>"$CACHE/lock"
}

install_python() {
  printf '== installing the Python clients\n'
  "$PYTHON" -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$TESTS/clients/requirements.txt"
}

install_node_modules() {
  printf '== installing the npm clients\n'
  cp "$TESTS/clients/package.json" "$TESTS/clients/package-lock.json" "$1"
  (cd "$1" && npm ci --silent --no-audit --no-fund)
}

install_node() {
  printf '== installing Node %s\n' "$NODE_VERSION"
  (cd "$1" && npm install --silent --no-audit --no-fund --prefix . "node@$NODE_VERSION")
}

# The clients need Node 20; Debian's Node 18 is enough to fetch a newer one.
NODE_VERSION=22.23.3

# The other JavaScript runtimes. Not in package.json, since npm cannot lock their optional packages for other systems.
RUNTIMES=(bun@1.4.5 deno@2.9.6 "node22@npm:node@$NODE_VERSION")

install_runtimes() {
  printf '== installing %s\n' "${RUNTIMES[*]}"
  (cd "$1" && npm install --silent --no-audit --no-fund --prefix . "${RUNTIMES[@]}")
}

setup_runtimes() {
  RUNTIMES_FOLDER=$CACHE/runtimes-$(printf '%s\n' "${RUNTIMES[@]}" | sha256sum | cut -c1-16)
  fill "$RUNTIMES_FOLDER" install_runtimes
  export PUSHI_RUNTIMES=$RUNTIMES_FOLDER/node_modules
}

install_rust_library() {
  printf '== building the Rust client\n'
  local source=$TESTS/clients/libraries/rust
  cargo build --locked --quiet --manifest-path "$source/Cargo.toml" --target-dir "$1/target"
  mv "$1/target/debug/pusher-library" "$1"
  rm -rf "$1/target"
}

# setup_rust_library: builds a command line of crates.io `pusher` and sets PUSHI_RUST_LIBRARY to its path.
setup_rust_library() {
  local source=$TESTS/clients/libraries/rust folder
  folder=$CACHE/rust-$(key "$source/Cargo.toml" "$source/Cargo.lock" "$source/src/main.rs")
  fill "$folder" install_rust_library
  export PUSHI_RUST_LIBRARY=$folder/pusher-library
}

setup_python() {
  need python3-venv
  PYTHON=/usr/bin/python3
  VENV=$CACHE/python-$(key "$TESTS/clients/requirements.txt" <("$PYTHON" --version))
  fill "$VENV" install_python
}

install_original() {
  printf '== installing the original server\n'
  "$PYTHON" -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$TESTS/clients/original/service/requirements.txt"
}

# setup_original: installs the original server and sets PUSHI_ORIGINAL to the interpreter of its environment.
setup_original() {
  local folder
  folder=$CACHE/original-$(key "$TESTS/clients/original/service/requirements.txt" <("$PYTHON" --version))
  fill "$folder" install_original
  export PUSHI_ORIGINAL=$folder/bin/python
}

install_postfix() {
  printf '== unpacking Postfix\n'
  apt-cache show postfix >/dev/null 2>&1 || apt-get update -qq
  (cd "$1" && apt-get download -qq postfix && dpkg-deb --extract postfix_*.deb . && rm postfix_*.deb)
}

# setup_postfix: unpacks Debian's Postfix, which would listen on port 25 where it is installed, and sets PUSHI_POSTFIX to its folder.
setup_postfix() {
  local libraries folder
  mapfile -t libraries < <(apt-cache depends postfix | sed -n 's/^ *Depends: \(lib[a-z0-9.+-]*\)$/\1/p')
  need "${libraries[@]}"
  folder=$CACHE/postfix-$(key /etc/os-release)
  fill "$folder" install_postfix
  export PUSHI_POSTFIX=$folder
}

setup_node() {
  need_command node nodejs
  need_command npm npm
  if [ "$(node -p 'parseInt(process.versions.node)')" -lt 20 ]; then
    fill "$CACHE/node-$NODE_VERSION" install_node
    PATH=$CACHE/node-$NODE_VERSION/node_modules/.bin:$PATH
    export PATH
  fi
  local modules
  modules=$CACHE/npm-$(key "$TESTS/clients/package.json" "$TESTS/clients/package-lock.json")
  fill "$modules" install_node_modules
  # Node resolves packages in the folder of the importing file and its parents.
  ln -sfn "$modules/node_modules" "$TESTS/node_modules"
}
