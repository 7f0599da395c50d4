"""Addresses that one device loses and another gets."""

from __future__ import annotations

from casm_ctrl.addressing.prefix import Family, Prefix, Range, parse_prefix
from casm_ctrl.sync.moves import Moves, Part, moved


def part(device: str, owner: int | None, prefix: str, space: int = 1) -> Part:
    found = parse_prefix(prefix)
    return Part(device, owner, space, Range(found.family, found.first, found.last))


def found(taken: list[Part], given: list[Part]) -> list[tuple[str, str]]:
    moves = [Moves((one,), ()) for one in taken] + [Moves((), (one,)) for one in given]
    return [(lost.device, got.device) for lost, got in moved(moves)]


def test_what_another_owner_gets_is_found() -> None:
    taken = [part("a", 1, "10.0.0.0/24"), part("b", 2, "10.0.1.0/24")]
    given = [part("c", 3, "10.0.0.128/25"), part("d", 4, "10.0.2.0/24")]
    assert found(taken, given) == [("a", "c")]
    assert found(given, taken) == [("c", "a")]


def test_a_range_over_many_blocks_finds_all() -> None:
    given = [part(name, number, f"10.0.{number}.0/24") for number, name in enumerate("bcd")]
    assert sorted(found([part("a", None, "10.0.0.0/22")], given)) == [("a", "b"), ("a", "c"), ("a", "d")]


def test_the_same_owner_another_space_and_another_family_are_no_moves() -> None:
    taken = [part("a", 1, "10.0.0.0/24")]
    assert found(taken, [part("b", 1, "10.0.0.0/24")]) == []
    assert found(taken, [part("b", 2, "10.0.0.0/24", space=2)]) == []
    assert found(taken, [part("b", 2, "::10.0.0.0/120")]) == []
    assert found(taken, [part("a", 2, "10.0.0.0/24")]) == []


def test_nobody_knows_whose_it_was() -> None:
    assert found([part("a", None, "10.0.0.0/24")], [part("b", 2, "10.0.0.0/25")]) == [("a", "b")]


def test_a_port_set_of_an_address_that_another_loses_is_found() -> None:
    address = parse_prefix("192.0.2.1/32").first << 16
    port_set = Part("b", 2, 1, Prefix(Family.PORTS, address | 1 << 12, 36).range)
    assert found([part("a", 1, "192.0.2.0/24")], [port_set]) == [("a", "b")]
    assert found([port_set], [part("a", 1, "192.0.2.0/24")]) == [("b", "a")]
    assert found([port_set], [part("a", 1, "192.0.2.2/32")]) == []
