# shellcheck shell=bash
# What the tests of the container image need, in the cache of clients.sh. Sourced by run.sh.

# can_build_images: whether images can be built and run here, which takes root, mounts and device files.
can_build_images() {
  [ "$(id -u)" = 0 ] && unshare --mount sh -ec 'mount -t tmpfs tmpfs /mnt; mknod /mnt/null c 1 3; mount -o remount,ro /mnt' 2>/dev/null
}

needs_image() {
  if can_build_images; then need buildah debootstrap; fi
}

# install_base FOLDER: a file system like that of debian:bookworm-slim, as an archive.
install_base() {
  printf '== installing a minimal Debian for the image\n'
  local root=$1/root
  debootstrap --variant=minbase bookworm "$root" >"$1/log" 2>&1 || die "debootstrap: $(tail -n 5 "$1/log")"
  rm -rf "$root"/usr/share/{doc,info,lintian,locale,man}/* "$root"/var/{lib/apt/lists,cache/apt,log}/* "$root"/dev/*
  tar -C "$root" -cf "$1/root.tar" .
  rm -r "$root"
}

# setup_image: makes the base of the images, and sets PUSHI_IMAGE_BASE to its archive.
setup_image() {
  needs_image
  local folder
  folder=$CACHE/image-$(key "$TESTS/setup/image.sh")
  fill "$folder" install_base
  export PUSHI_IMAGE_BASE=$folder/root.tar
}
