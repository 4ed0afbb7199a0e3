#!/usr/bin/env bash
# Follows deploy/Dockerfile line by line in Debians of its own, as no container engine is needed for
# that, and runs what the image would run, on generated data, to the end.
set -euo pipefail
source "$(dirname "$0")/root.sh"
isolate "$@"
cd "$(dirname "$0")/../.."

declare -A stages
environment=() entrypoint=() command=() user=root workdir=/

# Puts what .dockerignore lets through into $context.
make_context() {
  context=$1
  mkdir "$context"
  sed -E '/^[*][*]/!s|^|./|; s|^[*][*]/||' .dockerignore >"$context.ignored"
  tar --create --exclude-from="$context.ignored" . | tar --extract --directory "$context"
}

run() {
  in_root env --chdir "$workdir" "${environment[@]}" setpriv --reuid "$user" --regid "$user" \
    --clear-groups "$@"
}

copy() {
  local source=$context to
  if [[ $1 = --from=* ]]; then
    source=${stages[${1#--from=}]}
    shift
  fi
  to=$root$(realpath --no-symlinks --canonicalize-missing "/$workdir/${*: -1}")
  [[ ${*: -1} = /* ]] && to=$root${*: -1}
  for path in "${@:1:$#-1}"; do
    if [ -d "$source/$path" ]; then
      mkdir -p "$to"
      cp --archive "$source/$path/." "$to"
    else
      cp --archive "$source/$path" "$to"
    fi
  done
}

# The words of a JSON list.
words() {
  python3 -c 'import json, sys; print(*json.loads(sys.argv[1]), sep="\n")' "$1"
}

follow() {
  local instruction=$1 rest=$2 given
  read -ra given <<<"$rest"
  case $instruction in
    FROM)
      [ "${given[0]}" = debian:13-slim ] || fail "FROM ${given[0]} is not followed here."
      make_root trixie
      stages[${given[2]:-last}]=$root
      environment=() user=root workdir=/
      ;;
    RUN) run sh -c "$rest" ;;
    COPY) copy "${given[@]}" ;;
    WORKDIR)
      workdir=$rest
      mkdir -p "$root$workdir"
      ;;
    ENV) environment+=("$rest") ;;
    USER) user=$rest ;;
    ENTRYPOINT) mapfile -t entrypoint < <(words "$rest") ;;
    CMD) mapfile -t command < <(words "$rest") ;;
    VOLUME | HEALTHCHECK) ;;
    *) fail "$instruction is not followed here." ;;
  esac
}

make_roots_directory
make_context "$roots/context"
while read -r -u 3 instruction rest; do
  case $instruction in "" | "#"*) continue ;; esac
  echo "image: $instruction $rest"
  follow "$instruction" "$rest"
done 3<deploy/Dockerfile

[ "$(run id -u)" != 0 ] || fail "it runs as root."
! run test -w /app/pipeline || fail "whoever runs it may write its code."
! run sh -c "command -v c++ gcc make uv" || fail "tools that only building needs are left in it."
du --summarize --human-readable --one-file-system "$root"
run "${entrypoint[@]}" "${command[@]}" --config pipeline/presets/smoke.toml --dataset sample
run "${entrypoint[@]}" pipeline.inspect runs --dataset sample
echo "image: it works"
