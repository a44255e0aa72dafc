# shellcheck shell=bash
# The linter of GitHub's workflows, in the cache of clients.sh. Sourced by run.sh.

ACTIONLINT_VERSION=v1.7.12

install_actionlint() {
  printf '== installing actionlint %s\n' "$ACTIONLINT_VERSION"
  local path=$1/path
  GOBIN=$1 GOPATH=$path GOCACHE=$path/cache GOFLAGS=-modcacherw go install "github.com/rhysd/actionlint/cmd/actionlint@$ACTIONLINT_VERSION"
  rm -r "$path"
}

# setup_actionlint: installs the linter and sets PUSHI_ACTIONLINT to it. Needs setup_go.
setup_actionlint() {
  local folder=$CACHE/actionlint-$ACTIONLINT_VERSION
  fill "$folder" install_actionlint
  export PUSHI_ACTIONLINT=$folder/actionlint
}
