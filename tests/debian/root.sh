# Sourced: makes Debians to try this checkout in, by mmdebstrap, and leaves nothing behind.

fail() {
  echo "$(basename "$0" .sh): $1" >&2
  exit 2
}

# Goes on in namespaces of its own, so that mounts and processes end with this script, however it ends.
isolate() {
  [ "$(id -u)" = 0 ] || fail "only root can make a Debian to test in: call it as root."
  command -v mmdebstrap >/dev/null || fail "there is no mmdebstrap here, which makes a Debian to \
test in: install it (apt-get install mmdebstrap)."
  [ -n "${ISOLATED:-}" ] || ISOLATED=1 exec unshare --mount --pid --fork --kill-child bash "$0"
}

certificates=()

make_roots_directory() {
  roots=$(mktemp -d)
  chmod 755 "$roots"
  trap 'umount --recursive --lazy "$roots"/*/dev "$roots"/*/proc 2>/dev/null || true
    rm -rf --one-file-system "$roots"' EXIT
}

# Makes the Debian $1 with the packages that follow, in $root.
make_root() {
  local suite=$1 packages
  shift
  packages=$(IFS=, && echo "$*")
  root=$(mktemp -d "$roots/XXXXXX")
  chmod 755 "$root"
  # Unsafe is what a power cut would leave; it is minutes faster.
  mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io ${packages:+--include="$packages"} "$suite" "$root" ||
    fail "Debian $suite can't be made here: its packages can't be fetched."
  mount --types proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  # This machine's way to the network; installing certificates would write over those elsewhere.
  cp --dereference /etc/resolv.conf "$root/etc/resolv.conf"
  # Beam's workers look for a job server in Python by the machine's name.
  cp --dereference /etc/hosts "$root/etc/hosts"
  [ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/pip.conf"
  if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/certificates.pem"
    certificates=(SSL_CERT_FILE=/etc/certificates.pem PIP_CERT=/etc/certificates.pem)
  fi
}

# Runs a command in the root, as on a machine of its own.
in_root() {
  env --unset=PYENV_ROOT --unset=PYTHON --unset=UV_CACHE_DIR --unset=ISOLATED \
    --unset=MAKEFLAGS HOME=/tmp \
    "${certificates[@]}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    chroot "$root" "$@"
}
