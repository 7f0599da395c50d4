"""Which host keys are trusted. The hashed lines were written by OpenSSH's ssh-keygen -H."""

from __future__ import annotations

import pytest

from casm_ctrl.base.errors import HostKeyRefused, InvalidValue
from casm_ctrl.netconf.client.host_keys import HostKey, KnownHosts, Trust
from casm_ctrl.netconf.client.session import Target

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH5D/rXEq2ePlozU5/Vtik+V7I0o34wjUQQkViwtcIeZ"
ECDSA = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDscHhUBu/cLj5hEGPhD9bFtV3yq"
    "ylEfaici0vjqiism00KWvOvoWYAMLjQr7QKZKqye+NM8IPhYLIhiH9mmhwU="
)
HASHED = f"""\
|1|879hBW5vU2P6+zUiNJcxLfYN+8c=|fjn401zfGhbEu0Jiq/bjn1t8VwE= {ED25519}
|1|6AU5YZsGZ7y1XgvCa5P+rZSxGjc=|ul/02z2TfuA3ZIfoso7POYYBVwY= {ECDSA}
"""
FINGERPRINT = "SHA256:bh1Qkp1JwwREiLxV36p2SWcemnSFvmpsrLA3OiVOAMo"
A, B = HostKey.parse(ED25519), HostKey.parse(ECDSA)


def target(
    host: str = "bng1.example", port: int = 830, *, recorded: str | None = None, accept_new: bool = False
) -> Target:
    return Target("bng1", host, port, "u", "env:P", host_key=recorded, accept_new=accept_new)


def check(presented: HostKey, known_hosts: str = "", **of_target: object) -> None:
    Trust.of(target(**of_target), KnownHosts.parse(known_hosts)).check(presented)  # type: ignore[arg-type]


def test_a_key_is_read_and_shown_as_openssh_does() -> None:
    assert str(HostKey.parse(f"{ED25519} root@bng1")) == ED25519
    assert A.fingerprint == FINGERPRINT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        ECDSA.replace("ecdsa-sha2-nistp256", "ssh-ed25519"),
        FINGERPRINT,
        "ssh-ed25519 AAAA",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        HostKey.parse(text)


@pytest.mark.parametrize(
    ("line", "host", "port", "found"),
    [
        (f"bng1.example {ED25519}", "bng1.example", 22, True),
        (f"bng1.example {ED25519}", "bng1.example", 830, False),
        (f"[bng1.example]:830 {ED25519} a comment", "bng1.example", 830, True),
        (f"[bng1.example]:830 {ED25519}", "BNG1.example", 830, True),
        (f"[bng1.example]:830 {ED25519}", "bng1.example", 831, False),
        (f"192.0.2.1,[192.0.2.1]:830 {ED25519}", "192.0.2.1", 830, True),
        (f"[*.example]:830 {ED25519}", "bng1.example", 830, True),
        (f"[bng?.example]:* {ED25519}", "bng1.example", 830, True),
        (f"[*]:830,![bng1.example]:830 {ED25519}", "bng1.example", 830, False),
        (f"[2001:db8::1]:830 {ED25519}", "2001:db8::1", 830, True),
        (f"# [bng1.example]:830 {ED25519}", "bng1.example", 830, False),
        (f"@revoked [bng1.example]:830 {ED25519}", "bng1.example", 830, False),
        (f"@cert-authority [bng1.example]:830 {ED25519}", "bng1.example", 830, False),
        ("[bng1.example]:830 ssh-ed25519 broken!", "bng1.example", 830, False),
        (f"|1|not|base64! {ED25519}", "bng1.example", 830, False),
        (f"|1|bm90 {ED25519}", "bng1.example", 830, False),
        ("[bng1.example]:830", "bng1.example", 830, False),
    ],
)
def test_known_hosts_lines(line: str, host: str, port: int, found: bool) -> None:
    assert (A in KnownHosts.parse(f"\n{line}\n").keys(host, port)) is found


def test_hashed_names() -> None:
    known = KnownHosts.parse(HASHED)
    assert known.keys("127.0.0.1", 2022) == {A}
    assert known.keys_of_host("bng1.example") == {B}
    assert known.keys("127.0.0.1", 2023) == frozenset()


def test_the_recorded_key_alone_counts() -> None:
    check(A, f"[bng1.example]:830 {ECDSA}", recorded=ED25519)
    with pytest.raises(HostKeyRefused, match="has changed"):
        check(B, f"[bng1.example]:830 {ECDSA}", recorded=ED25519, accept_new=True)


def test_an_unknown_key_is_refused_with_its_fingerprint_and_both_remedies() -> None:
    with pytest.raises(HostKeyRefused) as refused:
        check(A)
    assert FINGERPRINT in refused.value.message
    assert "--accept-new" in refused.value.remedy
    assert "--host-key" in refused.value.remedy


def test_accept_new_takes_what_is_new_and_never_what_changed() -> None:
    check(A, accept_new=True)
    with pytest.raises(HostKeyRefused, match="has changed"):
        check(A, f"[bng1.example]:830 {ECDSA}", accept_new=True)


def test_a_key_known_for_the_host_without_a_port_is_proof_for_it_and_not_against_another() -> None:
    check(A, f"bng1.example {ED25519}")
    with pytest.raises(HostKeyRefused, match="not known"):
        check(B, f"bng1.example {ED25519}")
    check(B, f"bng1.example {ED25519}", accept_new=True)


def test_a_revoked_key_is_refused_even_where_it_is_known() -> None:
    lines = f"[bng1.example]:830 {ED25519}\n@revoked * {ED25519}"
    with pytest.raises(HostKeyRefused, match="revokes"):
        check(A, lines, accept_new=True)


def test_the_algorithms_ask_for_a_key_that_can_be_compared() -> None:
    rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQA="
    assert Trust.of(target(recorded=rsa), KnownHosts()).algorithms == ("rsa-sha2-512", "rsa-sha2-256")
    known = KnownHosts.parse(f"[bng1.example]:830 {ED25519}\n[bng1.example]:830 {ECDSA}")
    assert Trust.of(target(), known).algorithms == ("ecdsa-sha2-nistp256", "ssh-ed25519")
    assert Trust.of(target(), KnownHosts()).algorithms == ()
