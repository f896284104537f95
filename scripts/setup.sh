#!/usr/bin/env bash
# Makes .venv with everything the project needs, and .venv-tools with the programs that pin the world for themselves.
# `make setup` calls it; every target that needs an environment goes through it, so a second run must be quick.
#
#   PYTHON            the interpreter to start from (default: python3, 3.11 or newer)
#   TORCH_INDEX       PyTorch's CPU index: 200 MB instead of a CUDA build's 4.7 GB; used when it answers within 3 s
#   LLAMA_CMAKE_ARGS  more CMake flags for llama.cpp, e.g. for a wheel that runs on other processors
#   SETUP_GGUF=0      leave the local chat model's engine out; SETUP_TOOLS=0 leave .venv-tools out
# `scripts/setup.sh tools` makes .venv-tools alone, should that have failed or been left out.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
TORCH_INDEX=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}
SETUP_GGUF=${SETUP_GGUF:-1}
SETUP_TOOLS=${SETUP_TOOLS:-1}
UV_VERSION=0.13.8
venv=$PWD/.venv

say() { printf '%s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# What an environment was made from. The path belongs to it: a moved checkout has scripts that point at its old place.
made_from() { { printf '%s\n' "$PWD" "$SETUP_GGUF" "${LLAMA_CMAKE_ARGS:-}" && cat "$@"; } | cksum; }
is_made() { [ -x "$1/bin/python" ] && [ "$(cat "$1/.setup-done" 2>/dev/null)" = "$2" ]; } # FOLDER SUM

project_sum=$(made_from pyproject.toml constraints.txt scripts/setup.sh scripts/llama_wheel.py)
tools_sum=$(made_from scripts/tools.txt)
if is_made "$venv" "$project_sum" && { [ "${1:-}" != tools ] || is_made "$PWD/.venv-tools" "$tools_sum"; }; then
  exit 0
fi

command -v "$PYTHON" >/dev/null || die "$PYTHON was not found; install Python 3.11 or newer, or set PYTHON."
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "$PYTHON is $("$PYTHON" --version); this project needs Python 3.11 or newer. Set PYTHON to a newer one."
"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || die "$PYTHON lacks venv; on Debian: apt-get install python3-venv."
say "Setting up (once; the next time takes no time)"
started=$SECONDS

make_venv() { # FOLDER: made anew when it is missing, broken, or was made for a checkout that stood elsewhere
  if [ -x "$1/bin/python" ] && [ "$(cat "$1/.made-in" 2>/dev/null || echo "$1")" = "$1" ] &&
    { "$1/bin/python" -m pip --version || "$1/bin/python" -m ensurepip; } >/dev/null 2>&1; then
    return 0
  fi
  "$PYTHON" -m venv --clear "$1" && printf '%s\n' "$1" >"$1/.made-in"
}

step() { # WORDS COMMAND...: runs it and says how long it took
  local words=$1 from=$SECONDS
  shift
  "$@" || return
  say "  $words: $((SECONDS - from)) s"
}

install_into() { # FOLDER ARGUMENTS...: uv hard-links from its cache; plain pip is slower and serves where uv does not
  local folder=$1
  shift
  "$folder/bin/python" -m uv pip install --quiet --python "$folder/bin/python" "$@" ||
    { say "  uv could not do it, trying again with pip"; "$folder/bin/python" -m pip install --quiet "$@"; }
}

torch_index_answers() {
  [ -n "$TORCH_INDEX" ] || return 1
  "$venv/bin/python" - "$TORCH_INDEX/torch/" 2>/dev/null <<'PY'
import os, sys, threading, urllib.request

# urlopen's own timeout does not cover the name look-up, which can hang for much longer behind a firewall.
clock = threading.Timer(3, os._exit, (1,))
clock.daemon = True
clock.start()
with urllib.request.urlopen(sys.argv[1], timeout=3) as answer:
    os._exit(answer.status != 200)
PY
}

install_torch() {
  local wanted
  wanted=$(grep -o '^torch==[^ ;]*' constraints.txt)
  # Without its dependencies: that index carries torch's own build only, the rest comes from the default index.
  install_into "$venv" --no-deps --index-url "$TORCH_INDEX" "$wanted"
}

make_tools() {
  is_made "$PWD/.venv-tools" "$tools_sum" && return
  make_venv "$PWD/.venv-tools" || return
  # uv from .venv fills it: a second copy of uv would serve nobody.
  "$venv/bin/python" -m uv pip install --quiet --python "$PWD/.venv-tools/bin/python" -r scripts/tools.txt ||
    "$PWD/.venv-tools/bin/python" -m pip install --quiet -r scripts/tools.txt || return
  printf '%s\n' "$tools_sum" >"$PWD/.venv-tools/.setup-done"
}

if [ "${1:-}" = tools ] && is_made "$venv" "$project_sum"; then
  step "tools (.venv-tools)" make_tools
  exit
fi

rm -f "$venv/.setup-done"
make_venv "$venv"
"$venv/bin/python" -m uv --version 2>/dev/null | grep -q " $UV_VERSION" ||
  step "uv" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" ||
  say "  uv is not to be had; going on with pip"

builder=
stop_builder() { [ -z "$builder" ] || kill "$builder" 2>/dev/null || true; }
trap stop_builder EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ "$SETUP_GGUF" = 1 ]; then
  # It compiles while the rest downloads; from a warm cache it is done at once.
  "$venv/bin/python" scripts/llama_wheel.py path >/dev/null ||
    say "  llama.cpp: compiling in the background, once for this machine (a few minutes on 2 cores)"
  "$venv/bin/python" scripts/llama_wheel.py build &
  builder=$!
fi

if torch_index_answers; then
  step "torch, CPU build" install_torch
fi
step "packages" install_into "$venv" -c constraints.txt -e '.[chat,inference,train,load,otel,dev]'

if [ "$SETUP_TOOLS" = 1 ]; then
  # No service and no test of `make test` needs them, so a failure here is a word and not the end.
  step "tools (.venv-tools)" make_tools || say "  the tools could not be installed; \`make tools\` tries again"
fi

if [ "$SETUP_GGUF" = 1 ]; then
  wait "$builder" || { builder=; die "the local model's engine could not be built, see above."; }
  builder=
  wheel=$("$venv/bin/python" scripts/llama_wheel.py path)
  step "llama-cpp-python" install_into "$venv" -c constraints.txt "$wheel"
fi

"$venv/bin/python" -c 'import serving' || die "the packages are in place but the project can not be imported."
printf '%s\n' "$project_sum" >"$venv/.setup-done"
say "Ready after $((SECONDS - started)) s."
