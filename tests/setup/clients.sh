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

# install_pinned LOCK FOLDER: makes an environment of Python with exactly the packages of a lock file.
install_pinned() {
  /usr/bin/python3 -m venv "$2"
  "$2/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$1"
}

install_python() {
  printf '== installing the Python clients\n'
  install_pinned "$TESTS/clients/requirements.lock" "$1"
}

# install_locked FOLDER: installs the packages of its package-lock.json. None of them may run a script of its own.
install_locked() {
  (cd "$1" && npm ci --silent --no-audit --no-fund --ignore-scripts)
}

install_node_modules() {
  printf '== installing the npm clients\n'
  cp "$TESTS/clients/package.json" "$TESTS/clients/package-lock.json" "$1"
  install_locked "$1"
}

install_runtimes() {
  printf '== installing JavaScript runtimes\n'
  local modules=$1/node_modules architecture=x64 bun=x64
  [ "$(dpkg --print-architecture)" != arm64 ] || { architecture=arm64; bun=aarch64; }
  cp "$TESTS/clients/runtimes/package.json" "$TESTS/clients/runtimes/package-lock.json" "$1"
  install_locked "$1"
  mkdir -p "$modules/.bin"
  ln -sfn "node20-$architecture" "$modules/node20"
  ln -sfn "node22-$architecture" "$modules/node22"
  ln -sfn "../@oven/bun-linux-$bun/bin/bun" "$modules/.bin/bun"
  ln -sfn "../@deno/linux-$architecture-glibc/deno" "$modules/.bin/deno"
}

# setup_runtimes: installs Node 20, Node 22, Deno and Bun, and sets PUSHI_RUNTIMES to their folder.
setup_runtimes() {
  RUNTIMES_FOLDER=$CACHE/runtimes-$(key "$TESTS/clients/runtimes/package-lock.json")
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

needs_python() {
  need python3-venv
}

setup_python() {
  needs_python
  PYTHON=/usr/bin/python3
  VENV=$CACHE/python-$(key "$TESTS/clients/requirements.lock" <("$PYTHON" --version))
  fill "$VENV" install_python
}

install_original() {
  printf '== installing the original server\n'
  install_pinned "$TESTS/clients/original/service/requirements.lock" "$1"
}

# setup_original: installs the original server and sets PUSHI_ORIGINAL to the interpreter of its environment.
setup_original() {
  local folder
  folder=$CACHE/original-$(key "$TESTS/clients/original/service/requirements.lock" <("$PYTHON" --version))
  fill "$folder" install_original
  export PUSHI_ORIGINAL=$folder/bin/python
}

install_postfix() {
  printf '== unpacking Postfix\n'
  (cd "$1" && apt-get download -qq postfix && dpkg-deb --extract postfix_*.deb . && rm postfix_*.deb)
}

# The libraries of Debian's Postfix. It is unpacked instead of installed, since it would listen on port 25.
needs_postfix() {
  local libraries
  if ! apt-cache show postfix >/dev/null 2>&1; then
    if [ -n "$COLLECTING" ] && [ "$(id -u)" != 0 ]; then
      # The names are known once the lists of packages are there: the shell of the administrator finds them.
      # shellcheck disable=SC2016
      need '$(apt-cache depends postfix | sed -n "s/^ *Depends: \(lib[a-z0-9.+-]*\)$/\1/p")'
      return 0
    fi
    apt-get update -qq
  fi
  mapfile -t libraries < <(apt-cache depends postfix | sed -n 's/^ *Depends: \(lib[a-z0-9.+-]*\)$/\1/p')
  need "${libraries[@]}"
}

# setup_postfix: unpacks Postfix, and sets PUSHI_POSTFIX to its folder.
setup_postfix() {
  needs_postfix
  local folder
  folder=$CACHE/postfix-$(key /etc/os-release)
  fill "$folder" install_postfix
  export PUSHI_POSTFIX=$folder
}

needs_node() {
  need_command node nodejs
  need_command npm npm
}

# setup_node: finds or installs Node 20 or later; Debian's Node 18 is enough to fetch one. Installs the clients.
setup_node() {
  needs_node
  if [ "$(node -p 'parseInt(process.versions.node)')" -lt 20 ]; then
    setup_runtimes
    PATH=$PUSHI_RUNTIMES/node22/bin:$PATH
    export PATH
  fi
  local modules
  modules=$CACHE/npm-$(key "$TESTS/clients/package.json" "$TESTS/clients/package-lock.json")
  fill "$modules" install_node_modules
  # Node resolves packages in the folder of the importing file and its parents.
  ln -sfn "$modules/node_modules" "$TESTS/node_modules"
}
