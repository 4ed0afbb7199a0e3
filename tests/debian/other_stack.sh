#!/usr/bin/env bash
# Tests the commit that is checked out on the stack that this machine does not take: TFX 1.21 in a
# Debian 13 where glibc is older than 2.39, and TFX 1.16 in a Debian 12 elsewhere. Arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/root.sh"
isolate "$@"

checkout=$(cd "$(dirname "$0")/../.." && pwd)
glibc=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
if [ "$(printf '%s\n' 2.39 "$glibc" | sort -V | head -n 1)" = 2.39 ]; then
  # It has Python 3.11 only, with which uv fetches 3.10.
  suite=bookworm
else
  suite=trixie
fi
[ $# -gt 0 ] || set -- -m "not e2e"

make_roots_directory
make_root $suite python3-venv python3-dev g++ make git
git clone --quiet "$checkout" "$root/checkout"
in_root make --directory /checkout setup
in_root env --chdir /checkout .venv/bin/python -m pytest --no-cov "$@"
in_root env --chdir /checkout .venv/bin/python -m pipeline.local_runner \
  --config pipeline/presets/smoke.toml --dataset sample --root /tmp/smoke
