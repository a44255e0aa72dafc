#!/usr/bin/env bash
# Builds a release in target/dist: the binary, a static one, a Debian package, an npm package, an SBOM and checksums.
#
#     bash deploy/dist.sh                     everything that can be built here
#     bash deploy/dist.sh deb BINARY FOLDER   only the Debian package of this binary, into this folder
#
# The Debian package is made by dpkg-deb, which every Debian has; cargo-deb would take minutes to compile.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# make_deb BINARY FOLDER: the package, with the newest version of glibc whose symbols the binary uses.
make_deb() {
    local binary=$1 folder=$2 root=$work/deb architecture glibc
    architecture=$(dpkg --print-architecture)
    glibc=$(grep -aoE 'GLIBC_[0-9]+\.[0-9]+' "$binary" | sort -Vu | tail -1 | cut -d_ -f2)
    rm -rf "$root"
    install -D -m 755 "$binary" "$root/usr/bin/pushi"
    install -D -m 644 deploy/debian/pushi.sysusers "$root/usr/lib/sysusers.d/pushi.conf"
    install -D -m 600 deploy/debian/pushi.env "$root/etc/pushi/pushi.env"
    install -d "$root/usr/lib/systemd/system" "$root/usr/share/man/man1" "$root/usr/share/doc/pushi" \
        "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" "$root/usr/share/fish/vendor_completions.d"
    sed -e '1d' -e 's|/usr/local/bin/pushi|/usr/bin/pushi|' -e 's|^DynamicUser=yes|User=pushi\nDynamicUser=yes|' \
        deploy/systemd/pushi.service >"$root/usr/lib/systemd/system/pushi.service"
    "$binary" man "$root/usr/share/man/man1"
    "$binary" completions bash >"$root/usr/share/bash-completion/completions/pushi"
    "$binary" completions zsh >"$root/usr/share/zsh/vendor-completions/_pushi"
    "$binary" completions fish >"$root/usr/share/fish/vendor_completions.d/pushi.fish"
    install -m 644 LICENSE "$root/usr/share/doc/pushi/copyright"
    install -m 644 CHANGELOG.md "$root/usr/share/doc/pushi/changelog"
    gzip -9n "$root"/usr/share/man/man1/*.1 "$root/usr/share/doc/pushi/changelog"
    install -d "$root/DEBIAN"
    sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@GLIBC@/$glibc/" \
        -e "s/@SIZE@/$(du -sk "$root" | cut -f1)/" deploy/debian/control >"$root/DEBIAN/control"
    echo /etc/pushi/pushi.env >"$root/DEBIAN/conffiles"
    install -m 755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm "$root/DEBIAN/"
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
    dpkg-deb --root-owner-group --build "$root" "$folder/pushi_${version}_$architecture.deb" >/dev/null
}

if [ "${1:-}" = deb ]; then
    make_deb "$2" "$3"
    exit
fi

dist=target/dist
built=${CARGO_TARGET_DIR:-target}
rm -rf "$dist"
mkdir -p "$dist"
host=$(rustc -vV | sed -n 's/^host: //p')

cargo build --release --locked
install -m 755 "$built/release/pushi" "$dist/pushi-$version-$host"
make_deb "$built/release/pushi" "$dist"

if command -v npm >/dev/null; then
    bash deploy/npm.sh "$built/release/pushi" "$dist"
else
    echo "no npm package: install nodejs and npm" >&2
fi

# The list of all crates of the binary (CycloneDX), which the tool writes beside each manifest of the workspace.
command -v cargo-cyclonedx >/dev/null || cargo install cargo-cyclonedx@0.5.9 --locked --root "$work/tools"
PATH=$work/tools/bin:$PATH cargo cyclonedx --format json --override-filename "pushi-$version.cdx" >/dev/null
mv "pushi-$version.cdx.json" "$dist/"
find . -name "pushi-$version.cdx.json" -not -path './target/*' -delete

# A static binary, which runs on any Linux, needs the target and a C compiler for musl.
musl=${host/-gnu/-musl}
if command -v musl-gcc >/dev/null && rustup target add "$musl" && cargo build --release --locked --target "$musl"; then
    install -m 755 "$built/$musl/release/pushi" "$dist/pushi-$version-$musl"
else
    echo "no static binary: it needs musl-tools, and the target $musl by rustup" >&2
fi

(cd "$dist" && sha256sum -- * >SHA256SUMS)
ls -l "$dist"
