# shellcheck shell=bash
# Generators of clients and linters of the OpenAPI document, in the cache of clients.sh. Sourced by run.sh.

OGEN_VERSION=v1.25.0
OAPI_CODEGEN_VERSION=v2.8.2

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
  (cd "$1/npm" && npm ci --silent --no-audit --no-fund --ignore-scripts)
  export GOPATH=$1/go GOCACHE=$1/go/cache GOFLAGS=-modcacherw
  go install "github.com/ogen-go/ogen/cmd/ogen@$OGEN_VERSION"
  go install "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@$OAPI_CODEGEN_VERSION"
  for part in ogen oapi_codegen; do
    (cd "$sources/$part" && go mod download)
  done
}

# setup_generators: installs the generators and sets PUSHI_GENERATORS to their folder.
setup_generators() {
  need php-cli php-curl php-mbstring php-guzzlehttp-guzzle ruby ruby-typhoeus
  need_command javac openjdk-17-jdk-headless
  need_command mvn maven
  need_command go golang-go
  setup_runtimes
  local sources=$TESTS/clients/generated folder
  folder=$CACHE/generators-$(key "$TESTS/setup/generators.sh" "$sources"/*/pom.xml "$sources"/*/*/pom.xml \
    "$sources/package-lock.json" "$sources"/*/go.sum <(go version) <(java --version))
  fill "$folder" install_generators
  export PUSHI_GENERATORS=$folder
}
