#!/usr/bin/env bash
# Tests this checkout on the stack that this machine does not take, and does a smoke run there: TFX 1.21
# in a Debian 13 where glibc is older than 2.39, and TFX 1.16 in a Debian 12 elsewhere. ARGS goes to
# pytest, which leaves out the whole runs if it is empty.
set -euo pipefail
source "$(dirname "$0")/root.sh"
isolate

checkout=$(cd "$(dirname "$0")/../.." && pwd)
glibc=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
if [ "$(printf '%s\n' 2.39 "$glibc" | sort -V | head -n 1)" = 2.39 ]; then
  # It has Python 3.11 only, with which uv fetches 3.10.
  suite=bookworm lock=tfx-1.16
else
  suite=trixie lock=tfx-1.21
fi

make_roots_directory
make_root $suite python3-venv python3-dev g++ make git chromium
mkdir "$root/checkout"
tar --create --directory "$checkout" --exclude=./.venv --exclude=./.python --exclude=./output . |
  tar --extract --no-same-owner --directory "$root/checkout"
shared=$checkout/../shared/fashion-mnist
if [ -d "$shared" ]; then
  mkdir "$root/shared"
  cp --recursive "$shared" "$root/shared"
fi
# There is no Go there; without what is built here, the tests take an engine in Python.
beam=$(sed -n 's/^apache-beam==\([0-9.]*\).*/\1/p' "$checkout/requirements/$lock.txt")
if engines=$(python3 "$checkout/tests/engines/programs.py" "$beam"); then
  mkdir --parents "$root/tmp/.cache/fashion-mnist-pipeline"
  cp --recursive "$engines" "$root/tmp/.cache/fashion-mnist-pipeline"
fi
in_root env REQUIRE_ALL="${REQUIRE_ALL:-}" make --directory /checkout test \
  ARGS="${ARGS:--m 'not e2e'}"
in_root env --chdir /checkout .venv/bin/python -m pipeline.local_runner --config smoke --root /tmp/smoke
