"""What waits of a session's notifications: in order, bounded, and the loss of any is told."""

from __future__ import annotations

import asyncio

import pytest
from lxml import etree

from casm_ctrl.netconf.client.inbox import Inbox
from casm_ctrl.netconf.client.notification import Missed, Notification


def told(number: int, octets: int = 10) -> Notification:
    return Notification(None, etree.Element(f"e{number}"), octets)


async def names(inbox: Inbox, count: int) -> list[object]:
    taken = [await inbox.take() for _ in range(count)]
    return [one.count if isinstance(one, Missed) else one.element.tag for one in taken]


async def test_what_came_is_taken_in_its_order() -> None:
    inbox = Inbox()
    for number in range(3):
        inbox.put(told(number))
    assert await names(inbox, 3) == ["e0", "e1", "e2"]


async def test_who_takes_waits_for_what_comes() -> None:
    inbox = Inbox()
    taking = asyncio.create_task(names(inbox, 1))
    await asyncio.sleep(0)
    assert not taking.done()
    inbox.put(told(7))
    assert await taking == ["e7"]


async def test_the_oldest_go_where_too_many_wait_and_that_is_told_first() -> None:
    inbox = Inbox(most=2)
    inbox.put(told(0))
    inbox.put(Missed(5, "could not be read"))
    for number in range(1, 4):
        inbox.put(told(number))
    assert await names(inbox, 3) == [1 + 5 + 1, "e2", "e3"]
    inbox.put(told(4))
    assert await names(inbox, 1) == ["e4"]


async def test_the_size_is_bounded_too_and_one_always_fits() -> None:
    inbox = Inbox(most_octets=100)
    inbox.put(told(0, 60))
    inbox.put(told(1, 60))
    inbox.put(told(2, 1000))
    assert await names(inbox, 2) == [2, "e2"]
    inbox.put(told(3, 90))
    assert await names(inbox, 1) == ["e3"]


async def test_the_end_comes_after_what_waited_and_again() -> None:
    inbox = Inbox()
    inbox.put(told(0))
    inbox.end(EOFError("gone"))
    inbox.end(EOFError("again"))
    inbox.put(told(1))
    assert await names(inbox, 1) == ["e0"]
    for _ in range(2):
        with pytest.raises(EOFError, match="gone"):
            await inbox.take()


async def test_who_waits_is_told_of_the_end() -> None:
    inbox = Inbox()
    taking = asyncio.create_task(inbox.take())
    await asyncio.sleep(0)
    inbox.end(EOFError("gone"))
    with pytest.raises(EOFError):
        await taking
