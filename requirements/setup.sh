#!/usr/bin/env bash
# Makes .venv: finds a Python, installs the lock that suits it, compiles, installs the project.
# Changes nothing outside the checkout. A second call finds the stamp and does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
newest="3.13 3.12 3.11"  # TFX 1.21
broad="3.10"             # TFX 1.16

fail() {
  echo "setup: $1" >&2
  exit 2
}

# The wheels that TFX 1.21 stands on need glibc 2.39.
has_new_glibc() {
  local version
  version=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
  [ "$(printf '%s\n' 2.39 "$version" | sort -V | head -n 1)" = 2.39 ]
}

# Succeeds if $1 runs, is Python $2, and can make a virtual environment.
suits() {
  "$1" -c "import ensurepip, sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" \
    >/dev/null 2>&1
}

find_python() {
  local versions="$broad" version candidate
  has_new_glibc && versions="$newest $broad"
  for version in $versions; do
    for candidate in "python$version" "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/"$version".*/bin/python; do
      if suits "$candidate" "$version"; then
        command -v "$candidate"
        return
      fi
    done
  done
  if command -v uv >/dev/null; then
    version=$broad
    has_new_glibc && version=3.12
    # What uv fetches stays in the checkout.
    export UV_PYTHON_INSTALL_DIR=$PWD/.python UV_CACHE_DIR=$PWD/.python/cache
    uv python install --quiet --no-bin "$version" >&2 && uv python find "$version" && return
  fi
  if has_new_glibc; then
    fail "there is no Python 3.11, 3.12, 3.13 or 3.10 with venv here: install one (apt-get install \
python3-venv, pyenv install 3.12), or install uv, which fetches one."
  fi
  fail "there is no Python 3.10 with venv here, which this machine's glibc needs (before 2.39): \
install one (pyenv install 3.10), or install uv, which fetches one."
}

# One dependency, pyfarmhash, comes as C++ source.
check_compiler() {
  local headers compiler=${CXX:-c++}
  headers=$("$1" -c "import sysconfig; print(sysconfig.get_path('include'))")
  command -v "${compiler%% *}" >/dev/null || fail "there is no C++ compiler here, which pyfarmhash \
needs: install one (apt-get install g++)."
  [ -e "$headers/Python.h" ] || fail "there are no headers of Python in $headers, which \
pyfarmhash needs: install them (apt-get install python3-dev)."
}

lock_for() {
  "$1" -c "import sys; print('requirements/tfx-1.' + ('16' if sys.version_info < (3, 11) else '21') + '.txt')"
}

stamp() {
  sha256sum requirements/*.txt requirements/setup.sh setup.py
  pwd
}

if [ -x $venv/bin/python ] && [ "$(stamp)" = "$(cat $venv/stamp 2>/dev/null)" ]; then
  exit 0
fi
python=$(find_python)
check_compiler "$python"
lock=$(lock_for "$python")
echo "setup: $("$python" --version), $lock, into $venv: this takes a few minutes"
"$python" -m venv --clear $venv
pip=("$venv/bin/python" -m pip --quiet --no-cache-dir --disable-pip-version-check)
"${pip[@]}" install --no-deps --no-compile --use-pep517 --require-hashes -r "$lock"
# Importing TFX takes twice as long without bytecode, and some environments forbid to write it
# on import. Packages ship a few templates and tests that no Python compiles.
$venv/bin/python -W ignore -m compileall -q -j 0 $venv/lib >/dev/null || true
"${pip[@]}" install --no-deps --no-build-isolation --editable .
stamp >$venv/stamp
echo "setup: done"
