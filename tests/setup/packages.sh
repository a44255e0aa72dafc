# shellcheck shell=bash
# Debian packages. Sourced by run.sh.

# Whether `need` only collects what is missing, in MISSING.
COLLECTING=
MISSING=()

# die MESSAGE: prints an error and stops the run.
die() {
  printf '%s: %s\n' "$0" "$1" >&2
  exit 1
}

# is_installed PACKAGE: whether the package is installed.
is_installed() {
  dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

# need PACKAGE...: installs missing packages. If none is missing, no package server is contacted.
need() {
  local missing=() package
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  if [ -n "$COLLECTING" ]; then
    MISSING+=(${missing[@]+"${missing[@]}"})
    return 0
  fi
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    die "packages are missing. An administrator installs them by:

    apt-get update && apt-get install --no-install-recommends ${missing[*]}
"
  fi
  printf '== installing %s\n' "${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# need_command COMMAND PACKAGE...: the same for a command that may be installed from another source.
need_command() {
  local command=$1
  shift
  command -v "$command" >/dev/null || need "$@"
  [ -n "$COLLECTING" ] || command -v "$command" >/dev/null || die "there is no $command, even with $* installed"
}

# need_all FUNCTION...: installs the packages that these functions need, together.
need_all() {
  local function
  COLLECTING=1
  for function in "$@"; do "$function"; done
  COLLECTING=
  mapfile -t MISSING < <(printf '%s\n' ${MISSING[@]+"${MISSING[@]}"} | sort -u)
  # `printf` without arguments prints an empty line.
  need ${MISSING[@]:+"${MISSING[@]}"}
}
