#!/usr/bin/env bash
# Makes .venv: finds a Python, installs the lock that suits it, compiles, installs the project.
# PYTHON names the interpreter. Changes nothing outside the checkout, unless UV_CACHE_DIR says so.
# A second call finds the stamp and does nothing; after a change of a lock, it installs the difference.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
newest="3.13 3.12 3.11"  # TFX 1.21
broad="3.10"             # TFX 1.16

fail() {
  echo "setup: $1" >&2
  exit 2
}

stamp() {
  sha256sum requirements/*.txt requirements/*.sh setup.py
  pwd
}

# An environment has its stamp only while it is whole. Its scripts name the checkout's path.
is_whole() {
  [ -x $venv/bin/python ] && [ "$(tail -n 1 $venv/stamp 2>/dev/null)" = "$PWD" ]
}

is_up_to_date() {
  is_whole && [ "$(stamp)" = "$(cat $venv/stamp)" ]
}

origin() {
  "$1" -c "import sys; print(sys.base_prefix, sys.version)" 2>/dev/null
}

# Whether .venv is of the Python that PYTHON names, if it names one.
is_asked_for() {
  [ -z "${PYTHON:-}" ] || [ "$(origin "$PYTHON")" = "$(origin $venv/bin/python)" ]
}

# One setup at a time; a second one waits, and finds that all is done.
take_turn() {
  mkdir -p .python
  exec 9>.python/lock
  flock --nonblock 9 || {
    echo "setup: another one is at work in this checkout: this one waits for it"
    flock 9
  }
}

uv() {
  bash requirements/uv.sh "$@"
}

# The wheels that TFX 1.21 stands on need glibc 2.39.
has_new_glibc() {
  local version
  version=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
  [ "$(printf '%s\n' 2.39 "$version" | sort -V | head -n 1)" = 2.39 ]
}

version_of() {
  "$1" -c "import sys; print('%d.%d' % sys.version_info[:2])" 2>/dev/null
}

# uv makes environments by itself.
can_make_environment() {
  [ -n "$has_uv" ] || "$1" -c "import ensurepip, venv" >/dev/null 2>&1
}

check_named_python() {
  local version
  version=$(version_of "$PYTHON") || fail "PYTHON=$PYTHON is no Python that runs here: name one of \
$versions, or none, and one is looked for."
  [[ " $versions " = *" $version "* ]] || fail "PYTHON=$PYTHON is Python $version, but this \
machine's glibc and TFX take one of $versions: name another, or none, and one is looked for."
  can_make_environment "$PYTHON" || fail "PYTHON=$PYTHON has no venv with ensurepip: install it \
(apt-get install python3-venv), or install uv, which needs neither."
}

find_python() {
  local version candidate
  for version in $versions; do
    for candidate in "python$version" "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/"$version".*/bin/python; do
      if [ "$(version_of "$candidate")" = "$version" ] && can_make_environment "$candidate"; then
        command -v "$candidate"
        return
      fi
    done
  done
  if [ -n "$has_uv" ]; then
    version=$broad
    has_new_glibc && version=3.12
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

make_environment() {
  rm -rf $venv
  if [ -n "$has_uv" ]; then
    uv venv --quiet --python "$1" $venv
  else
    "$1" -m venv $venv >/dev/null 2>&1 || fail "$1 can't make a virtual environment, as its venv or \
ensurepip is broken: install another, or install uv, which needs neither."
  fi
}

# What comes as source is built by the lock's own setuptools, not by whatever is newest that day.
lock_build_tools() {
  sed -n '/^setuptools==/,/[^\\]$/p' "$1" >$venv/build.txt
}

install_by_uv() {
  local quiet=()
  [ -t 2 ] || quiet=(--quiet)
  uv pip install --quiet --python $venv/bin/python --no-deps --require-hashes -r $venv/build.txt
  uv pip sync "${quiet[@]}" --python $venv/bin/python --require-hashes --no-build-isolation \
    --compile-bytecode "$1"
  uv pip install --quiet --python $venv/bin/python --no-deps --no-build-isolation --editable .
}

install_by_pip() {
  local quiet=()
  [ -t 2 ] || quiet=(--quiet)
  local pip=($venv/bin/python -m pip --no-cache-dir --disable-pip-version-check)
  "${pip[@]}" --quiet install --no-deps --require-hashes -r $venv/build.txt
  "${pip[@]}" "${quiet[@]}" install --no-deps --no-compile --use-pep517 --no-build-isolation \
    --require-hashes -r "$1"
  # Packages ship a few templates and tests that no Python compiles.
  $venv/bin/python -W ignore -m compileall -q -j 0 $venv/lib >/dev/null || true
  "${pip[@]}" --quiet install --no-deps --no-build-isolation --editable .
}

if is_asked_for && is_up_to_date; then
  exit 0
fi
take_turn
if is_asked_for && is_up_to_date; then
  exit 0
fi

has_uv=$(uv --version 2>/dev/null) || true
versions=$broad
! has_new_glibc || versions="$newest $broad"
if [ -n "$has_uv" ] && is_whole && is_asked_for; then
  python=$venv/bin/python
  task="what differs, into $venv, by $has_uv"
else
  [ -z "${PYTHON:-}" ] || check_named_python
  python=${PYTHON:-$(find_python)}
  task="into $venv, by ${has_uv:-pip}: this takes a few minutes"
fi
check_compiler "$python"
lock=$(lock_for "$python")
echo "setup: $("$python" --version), $lock, $task"
rm -f $venv/stamp
[[ $python = "$venv/"* ]] || make_environment "$python"
lock_build_tools "$lock"
# Importing TFX takes twice as long without bytecode, and some environments forbid to write it on import.
if [ -n "$has_uv" ]; then
  install_by_uv "$lock"
else
  install_by_pip "$lock"
fi
stamp >$venv/stamp
echo "setup: done in $SECONDS s"
