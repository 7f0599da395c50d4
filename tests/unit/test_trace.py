"""Who had an address at a time: what is certain, what nobody can know, and what is nearest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Prefix, parse_prefix
from casm_ctrl.base.clock import ManualClock, Micros, to_rfc3339
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.service import intent
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.service.desired import previous_holders
from casm_ctrl.service.intent import Intent
from casm_ctrl.service.observation import Sight, Sighting, observe
from casm_ctrl.service.release import force_release, release
from casm_ctrl.service.rest import free_rested
from casm_ctrl.service.trace import trace
from casm_ctrl.store import blocks, clock_watch, events, history, holders, past_blocks, spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.holders import Spot
from casm_ctrl.store.states import Seen
from casm_ctrl.store.transaction import Row, Transaction

ME = Author("alice")
ASKED = Author("alice", "r1", "because")
PATH = "ipv4-address-range"
MINUTE = 60


class Story:
    """A store on a clock that moves a minute before each step, and what happens in it."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        self.start = clock.now()

    def at(self, minute: float) -> str:
        return to_rfc3339(self.start + round(minute * MINUTE * 1_000_000))

    def tick(self, minutes: float = 1) -> None:
        self.clock.advance(minutes * MINUTE)

    def prefix(self, number: int) -> Prefix:
        with self.database.read() as tx:
            found = blocks.find_block(tx, number) or past_blocks.past_block(tx, number)
        assert found is not None
        return found.prefix

    def shown(self, number: int) -> Sighting:
        with self.database.read() as tx:
            store = spaces.get_store(tx).store_id
        keys = ("internet", f"casm-{store}-b{number}")
        return Sighting(PATH, keys, self.prefix(number).range, None, store, number)

    def send(self, device: str, *numbers: int, removed: Sequence[int] = ()) -> None:
        """What is recorded before an edit is sent."""
        self.tick()
        lease = intent.claim_lease(self.database, device, "me", "me")
        with self.database.read() as tx:
            sent = tuple(blocks.get_block(tx, number) for number in numbers)
            gone = tuple(blocks.get_block(tx, number) for number in removed)
        words = Intent(1, sent, gone, frozenset(), (), 0, ["edit"])
        intent.record_intent(self.database, ME, lease, words)
        if removed:
            intent.record_pending(
                self.database, ME, lease, words, persist_id="x", session_id=1, timeout=60, digest="d"
            )
            intent.clear_pending(self.database, lease)
        intent.release_lease(self.database, lease)

    def read(self, device: str, *numbers: int) -> None:
        """A read that proves, and shows these blocks."""
        self.tick()
        lease = intent.claim_lease(self.database, device, "me", "me")
        sight = Sight(tuple(self.shown(number) for number in numbers), (), proof=True)
        observe(self.database, ME, lease, sight)
        intent.release_lease(self.database, lease)

    def rest(self, days: int = 2) -> None:
        """Quarantine ends."""
        self.clock.advance(days * 86400)
        with self.database.write() as tx:
            clock_watch.accept(tx)
            free_rested(tx)

    def ask(self, what: str, minute: float | None = None, space: str | None = None) -> dict[str, Any]:
        return trace(self.database, what, at=None if minute is None else self.at(minute), space=space)

    def presence(self, what: str, minute: float) -> str | None:
        """Of the only member of the only block; None where there is no block."""
        found = self.ask(what, minute)["block"]
        if not found:
            return None
        ((member,),) = (block["member"] for block in found)
        return str(member["presence"])


@pytest.fixture
def story(network: Database, clock: ManualClock) -> Story:
    return Story(network, clock)


def life(story: Story) -> None:
    """Block 1 of bng1: allocated 1, sent 2, seen 3, read again 4, released 5, removal sent 6, gone 7."""
    story.tick()
    allocate(story.database, ASKED, "bng1/internet")
    story.send("bng1", 1)
    story.read("bng1", 1)
    story.read("bng1", 1)
    story.tick()
    release(story.database, ME, ["b1"])
    story.send("bng1", removed=[1])
    story.read("bng1")


# --- The life of a block --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minute", "presence", "state"),
    [
        (1, "absent", "reserved"),
        (1.5, "absent", "reserved"),
        (2, "unknown", "reserved"),
        (2.5, "unknown", "reserved"),
        (3, "present", "installed"),
        (4.5, "present", "installed"),
        (6, "present", "withdrawing"),
        (6.5, "unknown", "withdrawing"),
        (7, "absent", "quarantined"),
    ],
)
def test_each_moment_of_a_life(story: Story, minute: float, presence: str, state: str) -> None:
    life(story)
    for _ in range(2):  # live, and freed
        (block,) = story.ask("10.0.0.7", minute)["block"]
        assert (block["id"], block["state"]) == ("b1", state)
        assert [member["presence"] for member in block["member"]] == [presence]
        story.rest()


def test_the_edges_are_told(story: Story) -> None:
    life(story)
    story.rest()
    (block,) = story.ask("10.0.0.7", 4)["block"]
    assert block["member"] == [
        {
            "device": "bng1",
            "role": "serves",
            "presence": "present",
            "possibly-from": story.at(2),
            "certainly-from": story.at(3),
            "certainly-until": story.at(6),
            "possibly-until": story.at(7),
            "ended": "removal",
        }
    ]
    assert (block["since"], block["until"]) == (story.at(3), story.at(6))
    assert (block["address-space"], block["pool"], block["device-pool"]) == ("s", "p", "bng1/internet")
    by, allocated = block["by"], block["allocated"]
    assert (by["verb"], by["actor"], by["from"], by["to"]) == ("observe", "alice", "reserved", "installed")
    assert (allocated["time"], allocated["actor"]) == (story.at(1), "alice")
    assert (allocated["request-id"], allocated["reason"]) == ("r1", "because")


def test_before_and_after_its_life_nobody_has_it(story: Story) -> None:
    life(story)
    before = story.ask("10.0.0.7", 0.5)
    assert before["block"] == []
    (place,) = before["nearest"]
    assert (place["what"], place["pool"]) == ("allocated-later", "p")
    story.rest()
    story.tick()
    after = story.ask("10.0.0.7")
    assert after["block"] == []
    (place,) = after["nearest"]
    assert (place["what"], place["words"]) == ("free", "it is free in pool 'p'")
    assert place["previous"]["device-pool"] == "bng1/internet"


def test_after_the_last_read_it_is_not_certain(story: Story) -> None:
    allocate(story.database, ME, "bng1/internet")
    story.send("bng1", 1)
    story.read("bng1", 1)
    assert story.presence("10.0.0.1", 2) == "present"
    story.tick(5)
    assert story.presence("10.0.0.1", 4) == "unknown"
    story.read("bng1", 1)
    assert story.presence("10.0.0.1", 4) == "present"


def test_of_many_holders_the_one_of_that_time_is_told(story: Story) -> None:
    """The same prefix, one block after the other."""
    times = []
    for number in range(1, 6):
        times.append(story.clock.now())
        allocate(story.database, ME, "bng1/internet" if number % 2 else "bng2/internet")
        story.tick()
        release(story.database, ME, [f"b{number}"])
        story.tick()
    for number, moment in enumerate(times, start=1):
        found = trace(story.database, "10.0.0.9", at=to_rfc3339(moment + 1))["block"]
        assert [block["id"] for block in found] == [f"b{number}"]
        assert trace(story.database, "10.0.0.9", at=to_rfc3339(moment + 90_000_000))["block"] == []


def test_what_vanished_is_certain_up_to_the_read_before(story: Story) -> None:
    allocate(story.database, ME, "bng1/internet")
    story.send("bng1", 1)
    for numbers in ([1], [1], [], [], [1]):
        story.read("bng1", *numbers)
    expected = ((1, "unknown"), (2, "present"), (3, "present"), (3.5, "unknown"), (4, "absent"))
    assert [(minute, story.presence("10.0.0.1", minute)) for minute, _ in expected] == list(expected)
    assert story.presence("10.0.0.1", 5.5) == "unknown"
    assert story.presence("10.0.0.1", 6) == "present"


def test_a_block_given_up_by_force_is_never_called_gone_without_a_read(story: Story) -> None:
    allocate(story.database, ME, "bng1/internet")
    story.send("bng1", 1)
    story.read("bng1", 1)
    story.tick()
    force_release(story.database, ASKED, ["b1"])
    story.rest()
    (block,) = story.ask("10.0.0.1")["block"]
    assert block["state"] == "free"
    assert (block["member"][0]["presence"], block["member"][0]["ended"]) == ("unknown", "forced")
    assert block["member"][0]["certainly-until"] == story.at(2)
    story.read("bng1")
    assert story.ask("10.0.0.1")["block"] == []


def test_a_zombie_is_on_its_device_again(story: Story) -> None:
    life(story)
    story.rest()
    story.read("bng1", 1)
    moment = story.clock.now()
    (block,) = story.ask("10.0.0.1")["block"]
    assert (block["state"], block["member"][0]["presence"]) == ("free", "present")
    story.read("bng1")
    assert story.ask("10.0.0.1")["block"] == []
    assert trace(story.database, "10.0.0.1", at=to_rfc3339(moment))["block"][0]["id"] == "b1"


def test_the_history_of_a_block(story: Story) -> None:
    life(story)
    for _ in range(2):  # live, and freed
        (block,) = story.ask("b1")["block"]
        assert [event["verb"] for event in block["event"]][:2] == ["allocate", "observe"]
        assert len(block["member"]) == 1
        story.rest()
    assert block["event"][-1]["to"] == "free"
    with pytest.raises(NotFound, match="b9"):
        story.ask("b9")


def test_freed_blocks_keep_their_members_for_reads_before_reuse(story: Story) -> None:
    life(story)
    story.rest()
    allocate(story.database, ME, "bng2/internet")
    assert previous_holders(story.database, "bng2") == ["bng1"]


# --- Where it is looked for -----------------------------------------------------------------------


def test_each_space_is_told(story: Story) -> None:
    edits: list[Edit] = [
        AddSpace("t"),
        AddPool("q", "t", ("10.0.0.0/16",)),
        AddDevice("bng3", "bng", "ietf-address-pool", "192.0.2.3", 830, "casm", "env:SECRET", "t"),
        AddDevicePool("bng3/internet", ("q",), 20),
        AddSpace("empty"),
    ]
    change(story.database, ME, edits)
    allocate(story.database, ME, "bng3/internet")
    answer = story.ask("10.0.0.1")
    assert [block["device-pool"] for block in answer["block"]] == ["bng3/internet"]
    assert [(place["address-space"], place["what"]) for place in answer["nearest"]] == [("s", "free")]
    allocate(story.database, ME, "bng1/internet")
    answer = story.ask("10.0.0.1")
    assert [block["address-space"] for block in answer["block"]] == ["s", "t"]
    assert answer["nearest"] == []
    assert len(story.ask("10.0.0.1", space="t")["block"]) == 1
    with pytest.raises(NotFound, match="space"):
        story.ask("10.0.0.1", space="nowhere")


def test_what_is_nearest(story: Story, clock: ManualClock) -> None:
    edits = [
        AddPool("r", "s", ("203.0.113.0/24",), exclude=("203.0.113.0/28",)),
        AddPool("six", "s", ("2001:db8::/32",)),
    ]
    change(story.database, ME, edits)
    story.tick()
    lease = intent.claim_lease(story.database, "bng1", "me", "me")
    theirs = Sighting(PATH, ("x", "theirs"), parse_prefix("203.0.113.128/28").range)
    observe(story.database, ME, lease, Sight((theirs,), (), proof=True))

    def nearest(text: str) -> tuple[str, str]:
        (place,) = story.ask(text)["nearest"]
        return place["what"], place["words"]

    assert nearest("203.0.113.3") == ("exclusion", "it is excluded from pool 'r'")
    assert nearest("203.0.113.60")[0] == "free"
    what, words = nearest("203.0.113.130")
    assert what == "held"
    assert "somebody else" in words
    what, words = nearest("100.64.0.1")
    assert what == "outside"
    assert "10.0.0.0/16 of pool 'p', 203.0.113.0/24 of pool 'r'" in words
    assert nearest("2001:db8::5") == ("free", "it is free in pool 'six'")
    assert nearest("::") == ("outside", "it is in no pool; the nearest are 2001:db8::/32 of pool 'six'")


def test_ipv6(story: Story) -> None:
    change(
        story.database, ME, [AddPool("six", "s", ("2001:db8::/32",)), AddDevicePool("bng1/six", ("six",), 48)]
    )
    allocate(story.database, ME, "bng1/six", count=3)
    for text in ("2001:db8:1::5", "[2001:db8:1::5]", "[2001:db8:1::5]:443"):
        assert [block["prefix"] for block in story.ask(text)["block"]] == ["2001:db8:1::/48"]


# --- Shared addresses -----------------------------------------------------------------------------


@pytest.fixture
def shared(story: Story) -> Story:
    """Blocks 1 to 4 are port sets 0 to 3 of 16 of 192.0.2.0, with offset 6; block 5 is 192.0.2.1."""
    edits: list[Edit] = [
        AddPool("m", "s", ("192.0.2.0/24",), psid_offset=6, quarantine=0, lease_time=0),
        AddDevicePool("bng1/map", ("m",), 36),
        AddDevicePool("bng1/whole", ("m",), 32),
    ]
    change(story.database, ME, edits)
    story.tick()
    allocate(story.database, ME, "bng1/map", count=4)
    allocate(story.database, ME, "bng1/whole")
    return story


def found(story: Story, what: str) -> list[str]:
    return [block["id"] for block in story.ask(what)["block"]]


def test_a_port_tells_port_sets_apart(shared: Story) -> None:
    """RFC 7597, 5.1: with a = 6 and k = 4 the id is bits 6 to 9 of the port: 1024 to 1087 are set 0."""
    for _ in range(2):  # live, and freed at a time at which it was not
        moment = shared.clock.now()
        for port, block in (
            (1024, "b1"),
            (1087, "b1"),
            (1088, "b2"),
            (1216, "b4"),
            (2048, "b1"),
            (2112, "b2"),
        ):
            answer = trace(shared.database, f"192.0.2.0:{port}", at=to_rfc3339(moment))["block"]
            assert [row["id"] for row in answer] == [block], port
        assert found(shared, "192.0.2.0:1280") == []  # set 4 is in no block
        assert found(shared, "192.0.2.0:80") == []  # below the offset: in no port set
        shared.tick()
        if found(shared, "192.0.2.0"):
            release(shared.database, ME, ["b1", "b2", "b3", "b4"])
            shared.clock.jump(-1)


def test_an_address_alone_lists_all_its_port_sets(shared: Story) -> None:
    assert found(shared, "192.0.2.0") == ["b1", "b2", "b3", "b4"]
    moment = to_rfc3339(shared.clock.now())
    shared.tick()
    release(shared.database, ME, ["b1", "b3"])
    assert found(shared, "192.0.2.0") == ["b2", "b4"]
    before = trace(shared.database, "192.0.2.0", at=moment)["block"]
    assert [(row["id"], row["psid"], row["psid-length"]) for row in before] == [
        ("b1", 0, 4), ("b2", 1, 4), ("b3", 2, 4), ("b4", 3, 4)
    ]  # fmt: skip


def test_a_port_of_a_whole_address_does_not_matter(shared: Story) -> None:
    assert found(shared, "192.0.2.1") == ["b5"]
    assert found(shared, "192.0.2.1:80") == ["b5"]
    allocate(shared.database, ME, "bng1/internet")
    assert found(shared, "10.0.0.1:80") == ["b6"]


# --- Words ----------------------------------------------------------------------------------------


NO_ADDRESS = ("", "10.0.0", "10.0.0.1/24", "10.0.0.1:65536", "10.0.0.1:x", "2001:db8::g", "[::1", "bng1")


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_what_is_no_address_is_refused(network: Database, text: str) -> None:
    with pytest.raises(InvalidValue):
        trace(network, text)


@pytest.mark.parametrize("at", ["yesterday", "2026-05-03 02:14", "2999-01-01T00:00:00Z"])
def test_what_is_no_time_that_was_is_refused(network: Database, at: str) -> None:
    with pytest.raises(InvalidValue):
        trace(network, "10.0.0.1", at=at)


# --- What a device really had ---------------------------------------------------------------------


STEPS = ("send", "send-lost", "read", "read-unproven", "remove", "remove-lost", "vanish", "return")


@given(steps=st.lists(st.sampled_from(STEPS), max_size=25))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_called_certain_was_so(story: Story, steps: list[str]) -> None:
    """Against what the device had all along. A visit reads first, with the device locked; between two visits
    the device changes at most once by itself."""
    with story.database.rehearse() as tx:
        device = tx.one("SELECT id FROM device WHERE name = 'bng1'")[0]
        base = 1_000_000
        now, has, sent, changed = base, False, False, False
        truth: list[bool] = []

        def pass_time() -> None:
            nonlocal now
            truth.append(has)
            now += 1
            tx.now = Micros(now)

        def read(*, proof: bool = True) -> None:
            nonlocal changed
            began = Micros(now)
            pass_time()
            seen = Seen.PRESENT if has else Seen.ABSENT if proof else Seen.UNKNOWN
            stay = history.open_stays(tx, device).get(7)
            history.note_seen(tx, stay, 7, device, seen)
            history.note_read(tx, device, began)
            changed = False
            pass_time()

        tx.now = Micros(now)
        for step in steps:
            if step.startswith(("send", "remove")):
                read()
                if step.startswith("send"):
                    history.note_sent(tx, device, [7])
                    sent = True
                else:
                    history.note_removal(tx, device, [7])
                pass_time()
                if not step.endswith("lost"):
                    has = step == "send"
            elif step.startswith("read"):
                read(proof=step == "read")
            elif sent and not changed and has == (step == "vanish"):
                has, changed = not has, True
            pass_time()
        read()  # what a device does by itself is known when it was read
        for index, was in enumerate(truth):
            stays = history.stays_at(tx, 7, Micros(base + index))
            said = stays[0].seen_at(Micros(base + index)) if stays else Seen.ABSENT
            assert said is Seen.UNKNOWN or (said is Seen.PRESENT) == was, (index, said, stays)


# --- Costs ----------------------------------------------------------------------------------------


class Watched(Transaction):
    """Explains every query that goes through it."""

    def __init__(self, tx: Transaction) -> None:
        super().__init__(tx._cursor, tx.dialect, tx.clock, tx.now)
        self.plans: dict[str, list[str]] = {}

    def first(self, sql: str, **parameters: Any) -> Row | None:
        self._explain(sql, parameters)
        return super().first(sql, **parameters)

    def all(self, sql: str, **parameters: Any) -> Sequence[Row]:
        self._explain(sql, parameters)
        return super().all(sql, **parameters)

    def _explain(self, sql: str, parameters: dict[str, Any]) -> None:
        if sql not in self.plans:
            rows = super().all(f"EXPLAIN QUERY PLAN {sql}", **parameters)
            self.plans[sql] = [str(row[3]) for row in rows]


@pytest.mark.parametrize("make_store", ["sqlite"], indirect=True)
def test_no_look_up_scans_or_sorts(shared: Story) -> None:
    allocate(shared.database, ME, "bng1/internet")
    shared.send("bng1", 6)
    shared.read("bng1", 6)
    release(shared.database, ME, ["b1", "b2"])
    with shared.database.read() as tx:
        watched = Watched(tx)
        space = tx.one("SELECT id FROM space")[0]
        for spot in (
            Spot(*_address("10.0.0.1")),
            Spot(*_address("192.0.2.0")),
            Spot(*_address("192.0.2.0"), 1100),
            Spot(*_address("172.16.0.1")),
        ):
            holders.live_holders(watched, space, spot)
            holders.past_holders_at(watched, space, spot, watched.now)
            holders.place_of(watched, space, spot)
        holders.spaces_with_history(watched)
        history.stays_at(watched, 6, watched.now)
        event = events.state_event_at(watched, 6, watched.now)
        assert event is not None
        events.next_state_event(watched, event)
        events.first_event(watched, 6)
    small = ("SCAN space", "SCAN pool", "SCAN device")
    bad = [
        (step, sql)
        for sql, plan in watched.plans.items()
        for step in plan
        if (step.startswith("SCAN") and not step.startswith(small)) or "TEMP B-TREE" in step
    ]
    assert bad == []


def _address(text: str) -> tuple[Any, int]:
    spot = parse_prefix(f"{text}/32")
    return spot.family, spot.first
