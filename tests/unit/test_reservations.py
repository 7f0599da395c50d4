"""Reserve, exclude, and change the prefixes of a pool after it was made."""

from __future__ import annotations

from typing import Any

import pytest

from casm_ctrl.base.errors import Held, InUse, InvalidValue, NotFound, Overlap, Refusal
from casm_ctrl.service import views
from casm_ctrl.service.configuration import (
    AddPool,
    AddPrefix,
    AddSpace,
    Exclude,
    Include,
    RemovePrefix,
    Reserve,
    Unreserve,
    change,
)
from casm_ctrl.service.release import force_release, release
from casm_ctrl.store import free_space, pools
from casm_ctrl.store.database import Database
from tests.allocation_world import ME, configure, dump, give, refused


def free(database: Database, name: str = "p") -> list[str]:
    with database.read() as tx:
        pool = pools.find_pool(tx, name)
        assert pool is not None
        return [str(prefix) for prefix in free_space.free_prefixes(tx, pool.id, pool.family)]


def usage(database: Database, name: str = "p") -> dict[str, Any]:
    shown: dict[str, Any] = views.show_pool(database, name)["usage"]
    return shown


@pytest.mark.parametrize(
    ("take", "end"),
    [
        (Reserve("p", "10.0.0.0/20", "next year"), Unreserve("p", "10.0.0.0/20")),
        (Exclude("p", "10.0.0.0/20"), Include("p", "10.0.0.0/20")),
    ],
)
def test_no_block_is_cut_from_it_until_that_ends(network: Database, take: Any, end: Any) -> None:
    before = usage(network)
    configure(network, take)
    assert give(network) == ["10.0.16.0/24"]
    release(network, ME, ["b1"])
    configure(network, end)
    assert free(network) == ["10.0.0.0/16"]
    assert usage(network) == before


def test_what_is_reserved_is_shown(network: Database) -> None:
    configure(network, Reserve("p", "10.0.0.0/20", "next year"), Exclude("p", "10.0.16.0/24", "links"))
    shown = views.show_pool(network, "p")
    assert shown["reservation"] == [{"prefix": "10.0.0.0/20", "reason": "next year"}]
    assert shown["exclude"] == ["10.0.16.0/24"]


@pytest.mark.parametrize(
    ("edit", "kind", "words"),
    [
        (Reserve("p", "10.0.0.0/20", ""), InvalidValue, "10.0.0.0/20 was to be reserved for no reason"),
        (Reserve("p", "10.0.0.1/20", "x"), InvalidValue, "has host bits set"),
        (Reserve("p", "2001:db8::/64", "x"), InvalidValue, "2001:db8::/64 is ipv6, and pool 'p' is not"),
        (Reserve("p", "10.1.0.0/24", "x"), InvalidValue, "10.1.0.0/24 is not inside pool 'p' (10.0.0.0/16)"),
        (Exclude("p", "10.0.0.0/8"), InvalidValue, "10.0.0.0/8 is not inside pool 'p'"),
        (Exclude("p", "10.0.0.0/25"), Overlap, "bng1/internet has b1 10.0.0.0/24 (reserved)"),
        (Exclude("p", "10.0.1.0/25"), Held, "b2 10.0.1.0/24 of bng1/internet is quarantined until"),
        (Reserve("p", "10.0.9.0/24", "x"), Held, "10.0.8.0/23 of pool 'p' is reserved (kept)"),
        (
            Unreserve("p", "10.0.8.0/24"),
            NotFound,
            "10.0.8.0/24 is no reservation of pool 'p' (it has 10.0.8.0/23)",
        ),
        (Include("p", "10.0.8.0/23"), NotFound, "10.0.8.0/23 is no exclusion of pool 'p' (it has none)"),
        (Exclude("nix", "10.0.8.0/23"), NotFound, "there is no pool 'nix'"),
        (AddPrefix("p", "10.0.1.0/24"), Overlap, "10.0.1.0/24 shares addresses with 10.0.0.0/16 of pool 'p'"),
        (AddPrefix("p", "2001:db8::/64"), InvalidValue, "2001:db8::/64 is ipv6, and pool 'p' is not"),
        (RemovePrefix("p", "10.0.0.0/16"), InUse, "pool 'p' cannot lose 10.0.0.0/16"),
        (RemovePrefix("p", "10.0.0.0/24"), NotFound, "10.0.0.0/24 is no prefix of pool 'p' (10.0.0.0/16)"),
    ],
)
def test_what_is_refused(network: Database, edit: Any, kind: type[Refusal], words: str) -> None:
    give(network, count=2)
    force_release(network, ME, ["b2"])
    configure(network, Reserve("p", "10.0.8.0/23", "kept"))
    refused(network, kind, words, lambda: change(network, ME, [edit]))


# --- Prefixes -------------------------------------------------------------------------------------


def test_a_prefix_comes_and_goes(network: Database) -> None:
    before = usage(network)
    configure(network, AddPrefix("p", "10.1.0.0/16"), Exclude("p", "10.1.0.0/24"))
    assert usage(network)["total-addresses"] == str(2 * 65536 - 256)
    assert give(network, prefix="10.1.1.0/24") == ["10.1.1.0/24"]
    release(network, ME, ["b1"])
    configure(network, RemovePrefix("p", "10.1.0.0/16"))
    assert usage(network) == before
    assert free(network) == ["10.0.0.0/16"]


def test_no_prefix_is_taken_from_under_what_stands_on_it(network: Database) -> None:
    configure(network, AddPrefix("p", "10.1.0.0/16"))
    give(network, prefix="10.1.1.0/24")

    def shrink(words: str) -> None:
        refused(network, InUse, words, lambda: change(network, ME, [RemovePrefix("p", "10.1.0.0/16")]))

    shrink("pool 'p' cannot lose 10.1.0.0/16: b1 10.1.1.0/24 of bng1/internet is in it (reserved)")
    force_release(network, ME, ["b1"])
    shrink("b1 10.1.1.0/24 of bng1/internet is in it (quarantined)")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Reserve("p", "10.1.1.0/24", "x"), "the reservation 10.1.1.0/24 is in it"),
        (AddPool("c", "s", ("10.1.1.0/24",), parent="p"), "the child 10.1.1.0/24 is in it"),
    ],
)
def test_nor_from_under_what_is_cut_from_it(network: Database, edit: Any, words: str) -> None:
    configure(network, AddPrefix("p", "10.1.0.0/16"), edit)
    refused(network, InUse, words, lambda: change(network, ME, [RemovePrefix("p", "10.1.0.0/16")]))


def test_a_child_pool_grows_out_of_its_parent_and_back(network: Database) -> None:
    configure(network, AddPool("c", "s", ("10.0.0.0/24",), parent="p"))
    before = dump(network)
    configure(network, AddPrefix("c", "10.0.1.0/24"))
    assert free(network, "c") == ["10.0.0.0/24", "10.0.1.0/24"]
    configure(network, RemovePrefix("c", "10.0.1.0/24"))
    after = dump(network)
    assert after["free_block"] == before["free_block"]
    give(network, prefix="10.0.1.0/24")
    refused(
        network,
        Overlap,
        "10.0.1.0/24 is not free: bng1/internet has b",
        lambda: change(network, ME, [AddPrefix("c", "10.0.1.0/24")]),
    )


def test_public_prefixes_are_unique_across_spaces(network: Database) -> None:
    configure(
        network,
        AddSpace("t"),
        AddPool("a", "s", ("192.0.2.0/25",), scope="public"),
        AddPool("b", "t", ("198.51.100.0/24",), scope="public"),
    )
    refused(
        network,
        Overlap,
        "192.0.2.0/24 shares addresses with 192.0.2.0/25 of pool 'a' in space 's'",
        lambda: change(network, ME, [AddPrefix("b", "192.0.2.0/24")]),
    )
