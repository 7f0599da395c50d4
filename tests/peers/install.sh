#!/usr/bin/env bash
# Installs the real peers of the tests from Debian's packages, as root or with passwordless sudo;
# elsewhere says so, and the tests that need them are skipped by name (never in CI).
set -euo pipefail

declare -A package_of=([netconfd]=netconfd [yangcli]=yangcli [sshd]=openssh-server [ssh]=openssh-client)
missing=()
for program in "${!package_of[@]}"; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    reason="this machine has no apt-get"
elif [ "$(id -u)" = 0 ]; then
    sudo=
elif sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    reason="not root, and no passwordless sudo"
fi
if [ -z "${reason:-}" ]; then
    echo "installing real peers for the tests: ${missing[*]} ..." >&2
    $sudo apt-get update -qq >/dev/null 2>&1 || true
    if DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/tmp/casm-peers.log 2>&1
    then exit 0; fi
    reason="apt-get failed, see /tmp/casm-peers.log"
fi
echo "real peers not installed (${missing[*]}): $reason; their tests are skipped by name" >&2
[ -z "${CI:-}" ]  # in CI nothing may be skipped
