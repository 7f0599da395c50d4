#!/usr/bin/env bash
# Makes a virtual environment with the locked dependencies and this checkout: requirements/install.sh DIR
set -euo pipefail
venv=${1:?usage: requirements/install.sh DIR}
cd "$(dirname "$0")/.."

fail() { echo "install: $*" >&2; exit 1; }

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
    fail "this is $(uname -s) on $(uname -m); the YANG engine's wheel exists for x86-64 Linux only: use such a machine"

python=
for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "no Python 3.11, 3.12 or 3.13 was found: install one, or name it with PYTHON=/path/to/python3"

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    sudo=
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    { command -v apt-get >/dev/null && $sudo apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq "python$version-venv"; } >/dev/null 2>&1 ||
        fail "$python has no venv module: run 'apt-get install python$version-venv' as root, then make again"
fi

echo "installing into $venv (once) ..." >&2
rm -rf "$venv"
"$python" -m venv "$venv"
log=$venv/install.log
step() {
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@" >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; fail "pip $1 failed; what it said is above and in $log"; }
}
step install --require-hashes -r requirements/test.lock
step install --no-deps --no-build-isolation --editable .
touch "$venv/.ready"
