# shellcheck shell=bash
# Debian packages. Sourced by run.sh.

# die MESSAGE: prints an error and stops the run.
die() {
  printf '%s: %s\n' "$0" "$1" >&2
  exit 1
}

# need PACKAGE...: installs missing packages. If none is missing, no package server is contacted.
need() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    die "missing packages. As root: apt-get install --no-install-recommends ${missing[*]}"
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
  command -v "$command" >/dev/null || die "there is no $command, even with $* installed"
}
