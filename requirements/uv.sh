#!/usr/bin/env bash
# Runs uv with the arguments given: the user's own, or else that of requirements/uv.txt, which pip
# puts into .python/uv. Changes nothing outside the checkout, unless UV_CACHE_DIR says so.
# Fails without a word if there is no uv and none can be fetched.
set -euo pipefail
cd "$(dirname "$0")/.."

own=$PWD/.python
bootstrap=$own/uv

stamp() {
  sha256sum requirements/uv.txt
}

# Fetches uv with the first Python that can make an environment; it may be one that TFX can't use.
fetch() {
  local python
  for python in ${PYTHON:+"$PYTHON"} python3.{13,12,11,10} \
    "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.*/bin/python python3; do
    if "$python" -c "import ensurepip, venv" && "$python" -m venv --clear "$bootstrap"; then
      "$bootstrap/bin/python" -m pip --no-cache-dir install --no-deps --only-binary :all: \
        --require-hashes -r requirements/uv.txt && stamp >"$bootstrap/stamp"
      return
    fi
  done >/dev/null 2>&1
  return 1
}

# Prints pip's setting $1 as one line: of the environment, of `pip install`, or of pip in general.
pip_setting() {
  local section
  for section in :env: install global; do
    sed -n "s/^$section\.$1='\(.*\)'\$/\1/p" <<<"$pip_settings" | sed 's/\\n/ /g; s/^ *//' | grep . && return
  done
  return 0
}

# uv gives up where pip passes over a directory that is not there; it wants commas between them.
find_links_there() {
  local link links=
  for link in $(cat); do
    [[ ! -d $link && $link != *://* ]] || links+=${links:+,}$link
  done
  echo "$links"
}

# Sets uv's variable $1 to pip's setting $2, as filter $3 spells it, unless the user has set it.
hand_on() {
  local value
  [ -z "${!1:-}" ] || return 0
  value=$(pip_setting "$2" | "${3:-cat}")
  [ -z "$value" ] || export "$1=$value"
}

# uv has its own settings and reads none of pip's.
follow_pip() {
  local python pip_settings=
  for python in "$bootstrap/bin/python" .venv/bin/python ${PYTHON:+"$PYTHON"} python3; do
    pip_settings=$("$python" -m pip config list 2>/dev/null) && break
  done
  [ -n "${UV_INDEX_URL:-}" ] || hand_on UV_DEFAULT_INDEX index-url
  [ -n "${UV_EXTRA_INDEX_URL:-}" ] || hand_on UV_INDEX extra-index-url
  hand_on UV_FIND_LINKS find-links find_links_there
  hand_on UV_NO_INDEX no-index
  hand_on UV_INSECURE_HOST trusted-host
  hand_on UV_HTTP_TIMEOUT default-timeout
  hand_on UV_HTTP_TIMEOUT timeout
  [ -n "${https_proxy:-}" ] || hand_on HTTPS_PROXY proxy
  hand_on SSL_CERT_FILE cert
  # As pip does; the older name is for an older uv of the user's.
  export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true} UV_NATIVE_TLS=${UV_NATIVE_TLS:-true}
}

stay_in_checkout() {
  export UV_CACHE_DIR=${UV_CACHE_DIR:-$own/cache} UV_PYTHON_INSTALL_DIR=${UV_PYTHON_INSTALL_DIR:-$own}
  mkdir -p "$UV_CACHE_DIR"
  # Files are linked out of the cache, which works within one file system only.
  if [ "$(stat -c %d "$UV_CACHE_DIR")" != "$(stat -c %d .)" ]; then
    export UV_LINK_MODE=${UV_LINK_MODE:-copy}
  fi
}

# pyenv puts a uv on the PATH that may not run.
if uv --version >/dev/null 2>&1; then
  uv=uv
else
  uv=$bootstrap/bin/uv
  [ -x "$uv" ] && [ "$(stamp)" = "$(cat "$bootstrap/stamp" 2>/dev/null)" ] || fetch
fi
follow_pip
stay_in_checkout
exec "$uv" "$@"
