# shellcheck shell=bash
# Generators of clients and linters of the OpenAPI document, in the cache of clients.sh. Sourced by run.sh.

OGEN_VERSION=v1.25.0
OAPI_CODEGEN_VERSION=v2.8.2

# The oldest Go that compiles the generators. Debian has an older one, which cannot fetch a newer one by itself.
GO_VERSION=1.26.8
declare -A GO_SHA256=(
  [amd64]=30c2b1bf7dcc88d3eb0a1364e47ddd9128edb3110a30e8a0ef61cd5856b31de7
  [arm64]=02b36b6787b3ac767668f630e2998df45a3b1f9ffee08d1bf3ef6487cd658d99
)

# install_go ARCHITECTURE FOLDER
install_go() {
  local name=v0.0.1-go$GO_VERSION.linux-$1 folder=$2
  printf '== installing Go %s\n' "$GO_VERSION"
  curl -fsSL -o "$folder/go.zip" "https://proxy.golang.org/golang.org/toolchain/@v/$name.zip"
  printf '%s  %s\n' "${GO_SHA256[$1]:-}" "$folder/go.zip" | sha256sum --check --quiet
  unzip -q "$folder/go.zip" -d "$folder"
  mv "$folder/golang.org/toolchain@$name" "$folder/go"
  rm -r "$folder/go.zip" "$folder/golang.org"
  # The format of modules has no permissions.
  chmod +x "$folder"/go/bin/* "$folder"/go/pkg/tool/*/*
}

# has_go: whether there is a Go that compiles the generators.
has_go() {
  local found
  found=$({ go version 2>/dev/null || true; } | sed -n 's/.* go\([0-9.]*\) .*/\1/p')
  printf '%s\n' "$GO_VERSION" "${found:-0}" | sort -CV
}

# setup_go: finds or installs Go.
setup_go() {
  if has_go; then return 0; fi
  fill "$CACHE/go-$GO_VERSION" install_go "$(dpkg --print-architecture)"
  PATH=$CACHE/go-$GO_VERSION/go/bin:$PATH
  export PATH
}

# copy_jars POM FOLDER: fetches the jars of a pom.xml.
copy_jars() {
  mvn -q -B -f "$1" dependency:copy-dependencies -DoutputDirectory="$2"
}

install_generators() {
  printf '== installing generators of clients\n'
  local sources=$TESTS/clients/generated part
  for part in generator java kotlin kotlin/compiler; do
    copy_jars "$sources/$part/pom.xml" "$1/jars/$part"
  done
  mkdir "$1/npm"
  cp "$sources/package.json" "$sources/package-lock.json" "$1/npm"
  install_locked "$1/npm"
  export GOPATH=$1/go GOCACHE=$1/go/cache GOFLAGS=-modcacherw
  go install "github.com/ogen-go/ogen/cmd/ogen@$OGEN_VERSION"
  go install "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@$OAPI_CODEGEN_VERSION"
  for part in ogen oapi_codegen; do
    (cd "$sources/$part" && go mod download)
  done
}

needs_generators() {
  need php-cli php-curl php-mbstring php-guzzlehttp-guzzle ruby ruby-typhoeus
  need_command javac openjdk-17-jdk-headless
  need_command mvn maven
  has_go || need unzip
}

# setup_generators: installs the generators and sets PUSHI_GENERATORS to their folder.
setup_generators() {
  needs_generators
  setup_go
  setup_runtimes
  local sources=$TESTS/clients/generated folder
  folder=$CACHE/generators-$(key "$TESTS/setup/generators.sh" "$sources"/*/pom.xml "$sources"/*/*/pom.xml \
    "$sources/package-lock.json" "$sources"/*/go.sum <(go version) <(java --version))
  fill "$folder" install_generators
  export PUSHI_GENERATORS=$folder
}
