#!/usr/bin/env bash
# Locks the dependencies of pyproject.toml, with hashes: requirements/lock.sh VENV
set -euo pipefail
venv=${1:?usage: requirements/lock.sh VENV}
cd "$(dirname "$0")/.."
"$venv/bin/python" -m pip install --quiet uv
compile() {
    "$venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header --upgrade "$@"
}
compile pyproject.toml -o requirements/runtime.lock
compile pyproject.toml requirements/build.in --extra test -o requirements/test.lock
compile requirements/bench.in -o requirements/bench.lock
compile requirements/peers.in -o requirements/peers.lock
