"""The main job on Yuma123's netconfd with the published ietf-address-pool: allocate, install, prove, take back.

What is on the servers is read with plain ncclient.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.operations import get_nothing
from casm_ctrl.netconf.client.session import Target
from casm_ctrl.service.configuration import AddDevicePool, AddPool
from tests.peers.controller import (
    Controller,
    Leaves,
    a_range,
    connect,
    device,
    device_pool,
    edit,
    pool,
    read,
    read_element,
    read_pools,
    stage,
)
from tests.peers.netconfd import Netconfd, program

pytestmark = pytest.mark.peer

ENTRY = "p:address-pool-entries/p:ipv4-address-range[p:ipv4-address-range-name='{}']"


@pytest.fixture
def casm(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


@pytest.fixture
def two_servers(netconfd_programs: None, published_modules: Path) -> Iterator[tuple[Netconfd, Netconfd]]:
    with Netconfd(published_modules) as one, Netconfd(published_modules) as other:
        yield one, other


@pytest.fixture
def bng1(casm: Controller, netconfd: Netconfd) -> Netconfd:
    """A server that the controller knows as bng1, with the device pool bng1/internet."""
    casm.prepare(pool(), device("bng1", netconfd), device_pool("bng1/internet"))
    return netconfd


def mark(casm: Controller, block: str) -> str:
    """The name of a block's entry on a device."""
    return f"casm-{casm.query('SELECT store_id FROM store')[0][0]}-{block}"


def leaves(first: str, last: str, *, gateway: str | None = None) -> Leaves:
    given = {"ip-lower-address": first, "ip-upper-address": last}
    if gateway is not None:
        given |= {
            "usergateway": gateway,
            "gwnetmask": "255.255.255.0",
            "type": "usergateway",
            "instance": "pppoe",
        }
    return given


# --- Allocate, install, prove, take back ----------------------------------------------------------


def test_the_main_job(casm: Controller, two_servers: tuple[Netconfd, Netconfd]) -> None:
    bng1, dhcp1 = two_servers
    casm("init")
    casm("space", "add", "default")
    casm("pool", "add", "p4", "--space", "default", "--prefix", "198.51.100.0/22")
    casm.add_device("bng1", bng1)
    casm.add_device("dhcp1", dhcp1, role="dhcp")
    casm(
        *("device-pool", "add", "bng1/internet", "--pool", "p4", "--length", "26", "--service", "internet"),
        *("--gateway", "first", "--gateway-mask", "24", "--access", "pppoe"),
    )
    casm("device-pool", "add", "dhcp1/iptv", "--pool", "p4", "--length", "26")
    casm("allocate", "bng1/internet", "--count", "3")
    casm("allocate", "dhcp1/iptv")
    check_and_plan(casm, bng1, dhcp1)
    install(casm, bng1, dhcp1)
    take_back(casm, bng1, dhcp1)


def check_and_plan(casm: Controller, bng1: Netconfd, dhcp1: Netconfd) -> None:
    refused = casm.run("device", "check", status=1)
    assert "host key" in refused.stderr
    assert "--accept-new" in refused.stderr
    checked = casm("device", "check", "--accept-new")["device"]
    assert [found["result"] for found in checked] == ["fit", "fit"]
    assert checked[0]["host-key"] == bng1.host_key
    before = read(bng1), read(dhcp1)
    planned = {found["name"]: found for found in casm("plan")["device"]}
    assert (read(bng1), read(dhcp1)) == before
    assert [change["action"] for change in planned["bng1"]["change"]] == ["add"] * 4
    assert "<ip-lower-address>198.51.100.64</ip-lower-address>" in planned["bng1"]["edit-config"]


def install(casm: Controller, bng1: Netconfd, dhcp1: Netconfd) -> None:
    applied = casm.apply()
    assert [applied[name]["result"] for name in ("bng1", "dhcp1")] == ["changed", "changed"]
    assert read_pools(bng1) == {
        "internet": {
            mark(casm, "b1"): leaves("198.51.100.0", "198.51.100.63", gateway="198.51.100.1"),
            mark(casm, "b2"): leaves("198.51.100.64", "198.51.100.127", gateway="198.51.100.65"),
            mark(casm, "b3"): leaves("198.51.100.128", "198.51.100.191", gateway="198.51.100.129"),
        }
    }
    services = read_element(bng1, "internet", "p:address-pool-service/p:service-name")
    assert [b"internet" in service for service in services] == [True]
    assert read_pools(dhcp1) == {"iptv": {mark(casm, "b4"): leaves("198.51.100.192", "198.51.100.255")}}
    assert casm.states() == dict.fromkeys(("b1", "b2", "b3", "b4"), "installed")
    before = read(bng1), read(dhcp1)
    again = casm.apply()
    assert [found["result"] for found in again.values()] == ["in-sync", "in-sync"]
    assert [found["change"] for found in again.values()] == [[], []]
    assert (read(bng1), read(dhcp1)) == before


def take_back(casm: Controller, bng1: Netconfd, dhcp1: Netconfd) -> None:
    casm("release", "b1", "b2", "b3", "b4")
    before = read(bng1)
    refused = casm.run("apply", status=1)
    assert "nobody knows who uses it; it is withdrawn because an operator released it" in refused.stderr
    assert "casm apply bng1 --confirm-removal 3" in refused.stderr
    assert read(bng1) == before, "the guard came too late"
    assert read_pools(dhcp1) == {}, "one block may always go"
    assert casm.apply("bng1", "--confirm-removal", "3")["bng1"]["result"] == "changed"
    assert read_pools(bng1) == {}
    for block in casm("block", "list")["block"]:
        assert block["state"] == "quarantined"
        assert block["quarantined-until"] > block["since"]


def test_servers_that_share_a_host_key_are_told_apart(
    casm: Controller, netconfd_programs: None, published_modules: Path
) -> None:
    """By a lock, also where both are met for the first time at once."""
    bng1, dhcp1 = Netconfd(published_modules), Netconfd(published_modules)
    for suffix in ("", ".pub"):
        shutil.copy(f"{bng1.host_key_file}{suffix}", f"{dhcp1.host_key_file}{suffix}")
    with bng1, dhcp1:
        casm.prepare(
            pool(),
            replace(device("bng1", bng1), host_key=None),
            replace(device("dhcp1", dhcp1), host_key=None),
            device_pool("bng1/internet"),
            device_pool("dhcp1/iptv"),
        )
        casm.allocate("bng1/internet")
        casm.allocate("dhcp1/iptv")
        applied = casm.apply("--accept-new")
        assert [found["result"] for found in applied.values()] == ["changed", "changed"]
        assert read_pools(bng1).keys() == {"internet"}
        assert read_pools(dhcp1).keys() == {"iptv"}


def test_one_server_under_two_names_is_refused(casm: Controller, bng1: Netconfd) -> None:
    casm.add_device("bng2", bng1, host="localhost")
    refused = casm.run("device", "check", "bng2", "--accept-new", status=1)
    assert f"and device 'bng1' at 127.0.0.1:{bng1.port} are one server" in refused.stderr
    assert "correct the host and port" in refused.stderr
    with connect(bng1) as session:  # nothing is left locked
        session.lock("candidate")
        session.lock("running")


def test_what_has_rested_is_free_again(casm: Controller, netconfd: Netconfd) -> None:
    casm.prepare(pool(rest=0), device("bng1", netconfd), device_pool("bng1/internet"))
    fresh = casm("pool", "show", "p4")["pool"]
    blocks = casm.allocate("bng1/internet", 3)
    assert casm.apply_here()["bng1"]["result"] == "changed"
    casm.release(*blocks)
    casm.apply_here(3)
    assert read_pools(netconfd) == {}
    assert casm.allocate("bng1/internet") == ["b4"]  # what rested is freed before anything is allocated
    casm.release("b4")
    assert casm.states() == {}
    assert casm("pool", "show", "p4")["pool"] == fresh


def test_delegated_prefixes_stand_beside_ipv4(casm: Controller, netconfd: Netconfd) -> None:
    casm.prepare(
        pool(),
        AddPool("p6", "default", ("2001:db8::/32",)),
        device("bng1", netconfd),
        AddDevicePool("bng1/both", ("p4",), 26, gateway="last", services=("voip", "a & <b>")),
        AddDevicePool("bng1/homes", ("p6",), 48, gateway="first"),
    )
    (ipv4,), (gone, ipv6) = casm.allocate("bng1/both"), casm.allocate("bng1/homes", 2)
    assert casm.apply_here()["bng1"]["result"] == "changed"
    casm.release(gone)
    assert casm.apply_here()["bng1"]["result"] == "changed"
    assert casm.apply_here()["bng1"]["result"] == "in-sync"
    assert casm.states() == {ipv4: "installed", gone: "quarantined", ipv6: "installed"}
    (prefix,) = read_element(netconfd, "homes", "p:address-pool-entries/p:ipv6-prefix")
    assert b">2001:db8:1::/48<" in prefix
    assert b">2001:db8:1::1<" in prefix
    assert read_pools(netconfd)["both"][mark(casm, ipv4)]["gwnetmask"] == "255.255.255.192"
    assert len(read_element(netconfd, "both", "p:address-pool-service")) == 2


# --- Hands off ------------------------------------------------------------------------------------


def test_what_others_configured_stays_as_it_is(casm: Controller, bng1: Netconfd) -> None:
    edit(
        bng1,
        a_range(
            "theirs", "hand-made", "192.0.2.0", "192.0.2.31", "<lifetime>2027-01-01T00:00:00Z</lifetime>"
        ),
    )
    blocks = casm.allocate("bng1/internet", 2)
    casm.apply_here()
    mine = mark(casm, blocks[0])
    edit(bng1, a_range("internet", "inside-ours", "192.0.2.64", "192.0.2.95"))
    edit(bng1, a_range("internet", "in-our-space", "198.51.103.0", "198.51.103.255"))
    edit(
        bng1,
        a_range(
            "internet", mine, "198.51.100.0", "198.51.100.63", "<lifetime>2027-01-01T00:00:00Z</lifetime>"
        ),
    )
    edit(
        bng1,
        "<address-pool><address-pool-name>internet</address-pool-name><domain-name>example.net</domain-name>"
        "<address-pool-entries><warning-threshold-v4>90</warning-threshold-v4></address-pool-entries>"
        "</address-pool>",
    )

    def theirs() -> list[list[bytes]]:
        paths = (
            ENTRY.format("inside-ours"),
            ENTRY.format("in-our-space"),
            "p:domain-name",
            "p:address-pool-entries/p:warning-threshold-v4",
        )
        return [read_element(bng1, "theirs", "."), *(read_element(bng1, "internet", path) for path in paths)]

    lifetime = ENTRY.format(mine) + "/p:lifetime"
    before, by_hand = theirs(), read_element(bng1, "internet", lifetime)
    assert all(len(found) == 1 for found in (*before, by_hand))

    more = casm.allocate("bng1/internet", 2)
    applied = casm.run("apply")
    assert (
        "in-our-space] 198.51.103.0-198.51.103.255 is on bng1 and was configured by somebody else"
        in applied.stderr
    )
    assert (theirs(), read_element(bng1, "internet", lifetime)) == (before, by_hand)
    casm.release(more[0])
    casm.apply("--confirm-removal", "1")
    assert (theirs(), read_element(bng1, "internet", lifetime)) == (before, by_hand)
    casm.release(*blocks, more[1])
    casm.apply_here(3)
    assert theirs() == before
    assert read_pools(bng1).keys() == {"theirs", "internet"}, "a pool of ours stays while others use it"
    assert read_pools(bng1)["internet"].keys() == {"inside-ours", "in-our-space"}
    assert set(casm.states().values()) == {"quarantined"}


def test_nothing_is_allocated_from_where_others_serve(casm: Controller, bng1: Netconfd) -> None:
    edit(bng1, a_range("theirs", "hand-made", "198.51.100.0", "198.51.101.255"))
    casm("device", "check")
    casm.allocate("bng1/internet", 8)
    refused = casm.run("allocate", "bng1/internet", status=1)
    assert "p4" in refused.stderr
    prefixes = {block["prefix"] for block in casm("block", "list")["block"]}
    assert all(prefix.startswith(("198.51.102.", "198.51.103.")) for prefix in prefixes)


def test_uncommitted_edits_of_others_are_left_alone(casm: Controller, bng1: Netconfd) -> None:
    casm.allocate("bng1/internet")
    edit(bng1, a_range("theirs", "in-use", "192.0.2.32", "192.0.2.63"))
    with connect(bng1) as somebody:
        stage(somebody, a_range("theirs", "draft", "192.0.2.0", "192.0.2.31"))
        before = read(bng1), read(bng1, "candidate")
        refused = casm.run("apply", "--wait", "1s", status=1)
        assert "somebody's uncommitted edits are in the candidate" in refused.stderr
        assert "ipv4-address-range-name='draft'] was added" in refused.stderr, "the difference is named"
        assert "discard them on the device" in refused.stderr
        assert (read(bng1), read(bng1, "candidate")) == before
        somebody.discard_changes()
    assert casm.apply()["bng1"]["result"] == "changed"
    assert {name: len(entries) for name, entries in read_pools(bng1).items()} == {"internet": 1, "theirs": 1}


@pytest.mark.parametrize("datastore", ["running", "candidate"])
def test_a_lock_of_somebody_else_is_waited_for(casm: Controller, bng1: Netconfd, datastore: str) -> None:
    casm.allocate("bng1/internet")
    with connect(bng1) as somebody:
        somebody.lock(datastore)
        began = time.monotonic()
        refused = casm.run("apply", "--wait", "1s", status=1)
        assert time.monotonic() - began > 1
        assert f"NETCONF session {somebody.session_id}" in refused.stderr
        assert "lock-denied" in refused.stderr
        waiting = casm.start("apply", "--wait", "30s")
        time.sleep(1.5)
        assert not waiting.ended
    ended = casm.end(waiting)  # the lock went with its session
    assert ended.status == 0, ended
    assert casm.states() == {"b1": "installed"}


def test_an_open_confirmed_commit_of_somebody_else_is_left_alone(casm: Controller, bng1: Netconfd) -> None:
    casm.allocate("bng1/internet")
    with connect(bng1) as somebody:
        stage(somebody, a_range("theirs", "on-trial", "192.0.2.0", "192.0.2.31"))
        somebody.commit(confirmed=True, timeout="30", persist="theirs")
        refused = casm.run("apply", "--wait", "1s", status=1)
        assert "confirmed" in refused.stderr
        assert read_pools(bng1).keys() == {"theirs"}
        somebody.commit(persist_id="theirs")
    assert casm.apply()["bng1"]["result"] == "changed"
    assert read_pools(bng1).keys() == {"theirs", "internet"}


# --- Startup --------------------------------------------------------------------------------------


def test_startup_holds_it_before_a_block_counts_as_gone(
    casm: Controller, netconfd_programs: None, published_modules: Path
) -> None:
    with Netconfd(published_modules, with_startup=True) as server:
        casm.prepare(pool(), device("bng1", server), device_pool("bng1/internet"))
        kept, leaving = casm.allocate("bng1/internet", 2)
        casm.apply_here()
        assert read_pools(server, "startup") == read_pools(server)
        server.kill()
        server.start()
        assert read_pools(server)["internet"].keys() == {mark(casm, kept), mark(casm, leaving)}
        assert casm.apply_here()["bng1"]["result"] == "in-sync"
        casm.release(leaving)
        casm.apply_here()
        assert casm.states() == {kept: "installed", leaving: "quarantined"}
        assert read_pools(server, "startup")["internet"].keys() == {mark(casm, kept)}
        server.kill()
        server.start()
        assert read_pools(server)["internet"].keys() == {mark(casm, kept)}
        assert casm.apply_here()["bng1"]["result"] == "in-sync"


# --- Other clients, and time ----------------------------------------------------------------------


@pytest.mark.skipif(
    program("yangcli") is None and not os.environ.get("CI"), reason="yangcli is not installed"
)
def test_yangcli_reads_what_was_written(casm: Controller, bng1: Netconfd, published_modules: Path) -> None:
    casm.allocate("bng1/internet")
    casm.apply_here()
    printed = subprocess.run(
        [
            str(program("yangcli")),
            *("--batch-mode", f"--server={bng1.host}", f"--ncport={bng1.port}", f"--user={bng1.user}"),
            *(f"--private-key={bng1.client_key}", f"--public-key={bng1.client_key}.pub"),
            f"--modpath={published_modules}:/usr/share/yuma/modules",
            *("--log-level=info", "--bad-data=warn", "--display-mode=xml"),
            "--run-command=sget-config source=running /address-pools",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "TERM": "dumb", "HOME": str(bng1.folder), "YUMA_HOME": str(bng1.folder)},
    ).stdout
    assert f"<ipv4-address-range-name>{mark(casm, 'b1')}</ipv4-address-range-name>" in printed
    assert "<ip-upper-address>198.51.100.63</ip-upper-address>" in printed


async def test_what_one_rpc_costs(netconfd: Netconfd, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, not asserted: it is to stay under 5 ms on loopback."""
    target = Target(
        "bng1", netconfd.host, netconfd.port, netconfd.user, netconfd.credential, netconfd.host_key
    )
    times = []
    async with await open_session(replace(target, pause_after_hello=0.3)) as session:
        await asyncio.sleep(0.1)
        for _ in range(100):
            began = time.perf_counter()
            await session.rpc(get_nothing())
            times.append(time.perf_counter() - began)
    times.sort()
    with capsys.disabled():
        print(f"\none RPC: median {times[50] * 1e3:.2f} ms, 95 % {times[95] * 1e3:.2f} ms")
