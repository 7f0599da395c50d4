"""`casm` on the store: answers against their schemas, what people read, refusals, exit statuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from typer.testing import CliRunner

from casm_ctrl.base.processes import this_process
from casm_ctrl.cli.main import app
from casm_ctrl.service import config_lock, pending_commit
from casm_ctrl.service.pending_commit import Proposal
from casm_ctrl.store.config_lock import Holder
from casm_ctrl.store.database import open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.spaces import get_store

SCHEMAS = Path(__file__).parents[2] / "docs" / "json"


@dataclass(frozen=True)
class Result:
    """How one command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


Casm = Callable[..., Result]


def run(*arguments: str) -> Result:
    ended = CliRunner().invoke(app, list(arguments), prog_name="casm")
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return Result(ended.exit_code, ended.stdout, ended.stderr)


@pytest.fixture
def casm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Casm:
    """Runs `casm` on a store that does not exist yet."""
    monkeypatch.setenv("CASM_DATABASE", str(tmp_path / "cli.db"))
    monkeypatch.delenv("CASM_TRACEBACK", raising=False)
    return run


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a space, two pools, a device and a device pool, closed: one file."""
    path = tmp_path_factory.mktemp("stock") / "cli.db"
    for line in (
        "init",
        "space add internet",
        "pool add p4 --space internet --prefix 198.51.100.0/24 --exclude 198.51.100.0/28 --label region=north",
        "pool add p6 --space internet --prefix 2001:db8::/32",
        "device add bng1 --role bng --driver ietf-address-pool --host 192.0.2.1 --user u --credential env:PW",
        "device-pool add bng1/home --pool p4 --length 26 --gateway first",
    ):
        ended = run("--database", str(path), *line.split())
        assert ended.status == 0, ended.err
    return path


@pytest.fixture
def stocked(casm: Casm, stock: Path, tmp_path: Path) -> Casm:
    """Runs `casm` on a copy of `stock`."""
    shutil.copyfile(stock, tmp_path / "cli.db")
    return casm


@pytest.fixture(scope="module")
def validate() -> Iterator[Callable[[str, object], None]]:
    """Raises where a document is not valid against the schema of that name."""
    registry: Registry[Any] = Registry().with_resources(
        (path.name, Resource.from_contents(json.loads(path.read_text())))
        for path in SCHEMAS.glob("*.schema.json")
    )

    def check(name: str, document: object) -> None:
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
        Draft202012Validator(schema, registry=registry).validate(document)

    yield check


# --- Answers --------------------------------------------------------------------------------------


def begin(casm: Casm) -> None:
    """Make what the commands of ANSWERS name."""
    for line in (
        "allocate bng1/home --count 2",
        "group add duo --member bng1:serves",
        "quota set q4 --pool p4 --addresses 4096",
        "pool reserve p4 198.51.100.32/28 --reason kept",
        "device change bng1 --deadline tcp=2.5 --deadline commit=120",
        "hold --device-pool bng1/home --reason later",
        "device-pool policy bng1/home --hold-down 60 --reclaim-window 23:00-04:30 --zone UTC --grow-at 60",
        "alarms shelve lab --type drift",
        "device-pool add bng1/large --pool p4 --length 24",
    ):
        assert casm(*line.split()).status == 0
    assert casm("allocate", "bng1/large").status == 1, "and an alarm says that it has none"


ANSWERS = (
    ("init", "init"),
    ("space-add", "space add tenant --description text"),
    ("space-change", "space change internet --description other"),
    ("space-list", "space list"),
    ("space-show", "space show internet"),
    ("pool-add", "pool add more --space internet --prefix 203.0.113.0/24 --scope public --quarantine 2h"),
    ("pool-list", "pool list --space internet"),
    ("pool-show", "pool show p4"),
    (
        "device-add",
        "device add d2 --role dhcp --driver ietf-address-pool --host h --user u --credential file:/k"
        " --space internet --instance red=internet --deadline rpc=60 --deadline tcp=1.5 --port 8300",
    ),
    ("device-list", "device list"),
    ("device-show", "device show bng1"),
    (
        "device-pool-add",
        "device-pool add bng1/more --pool p4 --length 27 --aaa-name MORE --gateway last --gateway-mask 24"
        " --service a --service b --access pppoe --withdraw-when-unknown never --description text",
    ),
    (
        "device-pool-add",
        "device-pool add bng1/grow --pool p4 --length 28 --first-length 27 --next-length 29 --min-blocks 1"
        " --max-blocks 4 --strategy adjacent --group duo",
    ),
    (
        "device-pool-change",
        "device-pool change bng1/home --length 25 --service a --max-blocks 9 --no-serve-edges --unset strategy",
    ),
    ("device-pool-list", "device-pool list --device bng1"),
    ("device-pool-show", "device-pool show bng1/home"),
    ("allocate", "allocate bng1/home --length 28"),
    (
        "allocate",
        "allocate bng1/home --addresses 20 --length 29 --strategy adjacent --label region=north"
        " --lifetime 30d --dry-run",
    ),
    ("allocate", "allocate bng1/home --prefix 198.51.100.16/28 --pool p4 --expires 2099-01-01T00:00:00Z"),
    ("renew", "renew b1 b2 --lifetime 2h --reason more"),
    ("renew", "renew 198.51.100.64/26 --space internet --expires never"),
    ("group-add", "group add trio --member bng1:serves"),
    ("group-change", "group change duo --member bng1:serves"),
    ("group-list", "group list"),
    ("group-show", "group show duo"),
    ("group-remove", "group remove duo"),
    ("quota-set", "quota set tenant --space internet --family ipv6 --addresses 2^88"),
    ("quota-set", "quota set site --device bng1 --family ipv4 --addresses 1,024"),
    ("quota-list", "quota list"),
    ("quota-remove", "quota remove q4"),
    ("device-change", "device change bng1 --client ncclient --deadline rpc=90 --deadline commit=120"),
    ("device-change", "device change bng1 --client asyncssh --deadline rpc=default"),
    (
        "device-change",
        "device change bng1 --label site=north --instance red=internet --user other --port 8301",
    ),
    ("pool-change", "pool change p4 --add-prefix 203.0.113.0/24 --add-prefix 192.0.2.0/28"),
    ("pool-reserve", "pool reserve p4 198.51.100.16/28 --reason later"),
    ("pool-unreserve", "pool unreserve p4 198.51.100.32/28"),
    ("pool-exclude", "pool exclude p4 198.51.100.16/29"),
    ("pool-include", "pool include p4 198.51.100.0/28"),
    ("block-list", "block list --device bng1 --device-pool bng1/home --pool p4 --state reserved"),
    ("block-show", "block show b1"),
    ("status", "status"),
    ("audit", "audit --limit 5"),
    ("audit", "audit --block b1"),
    ("audit-verify", "audit verify"),
    ("audit-seal", "audit seal"),
    ("trace", "trace 198.51.100.17 --space internet"),
    ("trace", "trace 198.51.100.1"),
    ("trace", "trace 192.0.2.1:80 --at 2020-01-01T00:00:00Z"),
    ("trace", "trace b1"),
    ("drain", "drain b1"),
    ("cancel-drain", "cancel-drain b1 --space internet"),
    ("release", "release b2"),
    ("release", "release b1 --force --reason dead"),
    ("accept-clock", "accept-clock"),
    ("device-change", "device change bng1 --poll-interval 1m --hot-interval 10s --no-notifications"),
    ("device-pool-policy", "device-pool policy bng1/home"),
    ("device-pool-policy", "device-pool policy bng1/home --unset hold-down --unset reclaim-window"),
    (
        "device-pool-policy",
        "device-pool policy bng1/home --grow automatic --shrink observe --grow-at-free 2^6 --shrink-at 40"
        " --reserve 5 --hold-down 5m --history 14 --priority 200 --drain-deadline 7d --force-after 1d"
        " --scarcity apply",
    ),
    ("control-status", "control status"),
    ("control-resume", "control resume --reason looked"),
    ("control-settings", "control settings"),
    ("control-settings", "control settings grow-per-hour=100 breaker-window=5m"),
    ("control-settings", "control settings --unset grow-per-hour"),
    ("hold", "hold --reason maintenance"),
    ("hold", "hold --device bng1 --reason maintenance"),
    ("hold", "hold --pool p4 --reason maintenance"),
    ("hold", "hold --device-pool bng1/home --reason maintenance"),
    ("unhold", "unhold --device-pool bng1/home"),
    ("holds", "holds"),
    ("alarms", "alarms"),
    ("alarms", "alarms --all --device bng1 --type pool-low"),
    ("alarms", "alarms --cleared --shelved"),
    ("alarms-show", "alarms show a1"),
    ("alarms-ack", "alarms ack a1 --text soon"),
    ("alarms-close", "alarms close a1"),
    ("alarms-reopen", "alarms reopen a1"),
    ("alarms-purge", "alarms purge --cleared --closed --older-than 1d --shelved"),
    (
        "alarms-shelve",
        "alarms shelve noise --device bng1 --device-pool bng1/home --pool p4 --resource //*[name()='x']"
        " --type drift --below major --description later",
    ),
    ("alarms-unshelve", "alarms unshelve lab"),
    ("alarms-shelves", "alarms shelves"),
    ("why", "why b1"),
    ("why", "why 198.51.100.64/26 --space internet"),
    ("why", "why bng1/home --last 3"),
    ("pool-remove", "pool remove p6"),
)


@pytest.mark.parametrize(("schema", "line"), ANSWERS, ids=[line for _, line in ANSWERS])
def test_an_answer_has_its_schema(
    stocked: Casm, validate: Callable[[str, object], None], schema: str, line: str
) -> None:
    begin(stocked)
    before = stocked(*line.split(), "--json")
    assert (before.status, before.err) == (0, "")
    validate(schema, before.document)


def test_a_replaced_device_is_answered(stocked: Casm, validate: Callable[[str, object], None]) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA0CBi5aXjiGIGWrAlCGzGXpEuF1GN9xUVQoWWw6IJ0i comment"
    command = ("device", "replace", "bng1", "--host-key", key)
    assert "give --reason" in stocked(*command).err
    assert "give either" in stocked(*command, "--accept-new", "--reason", "spare").err
    assert "give either" in stocked("device", "replace", "bng1", "--reason", "spare").err
    assert "is not held" in stocked("device", "replace", "bng1", "--accept-new", "--reason", "spare").err
    dry = stocked("--json", *command, "--reason", "spare", "--dry-run")
    validate("device-replace", dry.document)
    done = stocked("--json", *command, "--reason", "spare")
    validate("device-replace", done.document)
    assert dry.document["device"]["fingerprint"] == done.document["device"]["fingerprint"]
    shown = stocked("--json", "device", "show", "bng1").document["device"]
    assert shown["host-key"] == key.removesuffix(" comment")
    assert shown["sync"]["state"] == "unknown"
    said = stocked("audit", "--limit", "5").out
    assert "device-replace" in said
    assert "spare" in said


def test_what_is_removed_is_answered(stocked: Casm, validate: Callable[[str, object], None]) -> None:
    for schema, line in (
        ("device-pool-remove", "device-pool remove bng1/home"),
        ("device-remove", "device remove bng1"),
        ("pool-remove", "pool remove p4"),
        ("pool-remove", "pool remove p6"),
        ("space-remove", "space remove internet"),
    ):
        ended = stocked("--json", *line.split())
        assert ended.status == 0, ended.err
        validate(schema, ended.document)


@pytest.mark.parametrize(("schema", "line"), ANSWERS, ids=[line for _, line in ANSWERS])
def test_people_get_text_without_trailing_space_or_colour(stocked: Casm, schema: str, line: str) -> None:
    begin(stocked)
    ended = stocked(*line.split())
    assert ended.status == 0, ended.err
    assert ended.out
    assert "\x1b" not in ended.out
    assert all(text == text.rstrip() for text in ended.out.splitlines())


def test_lists_of_an_empty_store_say_what_to_do(casm: Casm) -> None:
    casm("init")
    for line in ("space list", "pool list", "device list", "device-pool list", "block list", "status"):
        assert "casm " in casm(*line.split()).out, line


def test_a_pipe_cuts_nothing(stocked: Casm) -> None:
    text = "x" * 500
    stocked("space", "add", "wide", "--description", text)
    assert text in stocked("space", "list").out


def test_text_in_brackets_is_text(stocked: Casm) -> None:
    stocked("space", "add", "odd", "--description", "[bold]not bold[/bold] :smile:")
    assert "[bold]not bold[/bold] :smile:" in stocked("space", "list").out


def test_init_says_whether_it_made_the_store(casm: Casm, tmp_path: Path) -> None:
    made = casm("init")
    assert f"Made the store {tmp_path / 'cli.db'}" in made.out
    assert "Next: casm space add" in made.out
    assert "is up to date" in casm("init").out
    assert casm("init", "--json").document["store"]["result"] == "up-to-date"


# --- Options of every command ---------------------------------------------------------------------


def test_common_options_stand_before_or_after(casm: Casm, tmp_path: Path) -> None:
    other = str(tmp_path / "other.db")
    assert casm("--database", other, "init").status == 0
    assert casm("space", "add", "s", "--database", other).status == 0
    assert casm("--database", "/nowhere", "space", "list", "--json", "--database", other).document == {
        "casm": 1,
        "address-space": [{"name": "s", "description": ""}],
    }
    assert casm("space", "list").status == 1


def test_the_actor_is_in_the_audit(stocked: Casm) -> None:
    stocked("--actor", "alice", "space", "add", "s2", "--reason", "because")
    event = stocked("audit", "--json").document["event"][-1]
    assert (event["actor"], event["reason"]) == ("alice", "because")


def test_a_repeated_request_gets_the_same_answer(stocked: Casm) -> None:
    line = ("allocate", "bng1/home", "--request-id", "r1", "--json")
    first, again = stocked(*line), stocked(*line)
    assert first.out == again.out
    assert first.err == ""
    assert again.err == "casm: request id 'r1' was answered before: nothing was done again\n"
    assert len(stocked("block", "list", "--json").document["block"]) == 1
    other = stocked("allocate", "bng1/home", "--count", "2", "--request-id", "r1")
    assert other.status == 1
    assert "request id 'r1' was used by" in other.err


def test_version_and_help(casm: Casm) -> None:
    assert casm("--version").out.startswith("casm 0.")
    assert "casm pool add public-v4" in casm("pool", "add", "--help").out


# --- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "app_tag"),
    [
        ("space show nope", "not-found"),
        ("space add b12", "invalid-value"),
        ("pool add p9 --space internet --prefix 198.51.100.128/25", "overlap"),
        ("pool add p9 --space internet --prefix 192.0.2.1/24", "invalid-value"),
        ("pool add p9 --space internet --prefix 192.0.2.0/24 --quarantine soon", "invalid-value"),
        ("pool add p9 --space internet --prefix 192.0.2.0/24 --label north", "invalid-value"),
        ("pool add p9 --space internet --prefix 192.0.2.0/24 --label a=1 --label a=2", "invalid-value"),
        ("pool remove p4", "in-use"),
        ("allocate bng1/home --count 99", "exhausted"),
        ("allocate bng1/nope", "not-found"),
        ("allocate bng1/home --addresses many", "invalid-value"),
        ("allocate bng1/home --prefix 198.51.100.0/28", "held"),
        ("allocate bng1/home --lifetime 0", "invalid-value"),
        ("allocate bng1/home --label region=south", "invalid-value"),
        ("renew b1", "invalid-value"),
        ("renew b1 --lifetime 1d", "not-found"),
        ("group add pair --member bng1", "invalid-value"),
        ("group add pair --member bng1:leads", "invalid-value"),
        ("quota set q --addresses 1", "invalid-value"),
        ("quota set q --pool p4 --device bng1 --addresses 1", "invalid-value"),
        ("pool change p4", "invalid-value"),
        ("pool change p4 --remove-prefix 198.51.100.0/24", "invalid-value"),
        ("pool reserve p4 198.51.100.128/28", "invalid-value"),
        ("pool unreserve p4 198.51.100.128/28", "not-found"),
        ("release 203.0.113.0/24", "not-found"),
        ("release b1 --force", "invalid-value"),
        ("block show b99", "not-found"),
        ("audit --block b99", "not-found"),
        (
            "device add d --role bng --driver nope --host h --user u --credential env:X",
            "not-found",
        ),
        (
            "device add d --role cgn --driver ietf-address-pool --host h --user u --credential env:X",
            "not-supported",
        ),
        (
            "device add d --role bng --driver ietf-address-pool --host h --user u --credential hunter2",
            "invalid-value",
        ),
        (
            "device add d --role bng --driver ietf-address-pool --host h --user u --credential env:X"
            " --host-key nonsense",
            "invalid-value",
        ),
        (
            "device add d --role bng --driver ietf-address-pool --host h --user u --credential env:X"
            " --deadline lunch=60",
            "invalid-value",
        ),
        (
            "device add d --role bng --driver ietf-address-pool --host h --user u --credential env:X"
            " --deadline rpc=nan",
            "invalid-value",
        ),
    ],
)
def test_a_refusal_is_one_line_and_a_document(
    stocked: Casm, validate: Callable[[str, object], None], line: str, app_tag: str
) -> None:
    said = stocked(*line.split())
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("casm: ")
    assert said.err.count("\n") == 1
    answered = stocked(*line.split(), "--json")
    assert (answered.status, answered.err) == (1, said.err)
    validate("error", answered.document)
    assert answered.document["error"]["app-tag"] == app_tag
    error = answered.document["error"]
    assert said.err == f"casm: {error['message']}: {error['remedy']}\n"


def test_a_secret_that_was_typed_as_credential_is_not_repeated(stocked: Casm) -> None:
    line = "device add d --role bng --driver ietf-address-pool --host h --user u --credential hunter2"
    assert "hunter2" not in stocked(*line.split()).err


def test_two_spaces_must_be_chosen_from(stocked: Casm) -> None:
    stocked("space", "add", "tenant")
    line = "device add d --role bng --driver ietf-address-pool --host h --user u --credential env:X"
    refused = stocked(*line.split())
    assert refused.err == (
        "casm: there is more than one address space: internet, tenant: choose with --space\n"
    )
    assert stocked(*line.split(), "--space", "tenant").status == 0


def test_a_missing_store_says_how_to_make_it(casm: Casm) -> None:
    ended = casm("block", "list")
    assert ended.status == 1
    assert "run 'casm init'" in ended.err


@pytest.mark.parametrize(
    "line",
    ["pool add", "nonsense", "allocate bng1/home --count x", "block list --state free", "audit --limit 0"],
)
def test_a_wrong_command_line_is_2_and_one_line(stocked: Casm, line: str) -> None:
    answer = stocked(*line.split())
    assert answer.status == 2
    assert answer.out == ""
    assert re.fullmatch(r"casm: .+: see 'casm.* -h'\n", answer.err)


def test_a_command_without_its_subcommand_shows_the_help(stocked: Casm) -> None:
    answer = stocked("pool")
    assert answer.status == 2
    assert "Usage: casm pool" in answer.out
    assert answer.err == ""


def test_status_check_ends_with_1_until_all_is_in_sync(stocked: Casm) -> None:
    assert stocked("status").status == 0
    checked = stocked("status", "--check", "--json")
    assert checked.status == 1
    assert "1 device not in sync (bng1)" in checked.err
    assert checked.document["status"]["device"][0]["sync"]["state"] == "never"


def test_status_says_who_keeps_others_from_changing(
    stocked: Casm, tmp_path: Path, validate: Callable[[str, object], None]
) -> None:
    database = open_database(str(tmp_path / "cli.db"))
    alice = Holder("server", 7, "alice", this_process())
    config_lock.lock(database, alice)
    with database.read() as tx:
        revision = get_store(tx).config_revision
    proposal = Proposal([], "<config/>", {})
    pending_commit.begin(
        database, Author("x"), alice, proposal, timeout=600, persist_id=None, revision=revision
    )
    shown = stocked("status").out
    assert "The configuration is locked by alice (NETCONF session 7) since" in shown
    assert "A confirmed commit of alice (NETCONF session 7) is taken back at" in shown
    answer = stocked("status", "--json").document
    validate("status", answer)
    assert answer["status"]["configuration-lock"]["session-id"] == 7
    refused = stocked("space", "add", "other")
    assert refused.status == 1
    assert "locked by alice, NETCONF session 7" in refused.err
    config_lock.unlock(database, alice)
    assert "confirmed commit of alice is pending" in stocked("space", "add", "other").err
    pending_commit.cancel(database, Author("x"))
    database.close()
    assert "locked" not in stocked("status").out
    assert stocked("space", "add", "other").status == 0


def test_status_says_which_devices_are_left_alone(stocked: Casm, tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "cli.db"))
    with database.write() as tx:
        tx.run(
            "INSERT INTO device_circuit (device_id, failures, open_until, error)"
            " VALUES (1, 3, :until, 'no answer')",
            until=4_000_000_000_000_000,
        )
    database.close()
    assert "bng1 did not answer in 3 runs, and is left alone until" in stocked("status").out


# --- What nobody foresaw --------------------------------------------------------------------------


def test_an_unexpected_error_is_one_line(stocked: Casm, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(database: object) -> None:
        raise ZeroDivisionError("over\nlines")

    monkeypatch.setattr("casm_ctrl.service.views.list_spaces", explode)
    ended = stocked("space", "list", "--json")
    assert ended.status == 1
    assert ended.err.startswith("casm: unexpected ZeroDivisionError (over lines): please report this")
    assert ended.err.count("\n") == 1
    assert ended.document["error"]["app-tag"] == "failed"
    monkeypatch.setenv("CASM_TRACEBACK", "1")
    assert "Traceback" in stocked("space", "list").err


def test_ctrl_c_is_130(stocked: Casm, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(database: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("casm_ctrl.service.views.list_spaces", interrupt)
    ended = stocked("space", "list")
    assert (ended.status, ended.out, ended.err.count("\n")) == (130, "", 1)


# --- Completion -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("casm pool show ", {"p4", "p6"}),
        ("casm space show in", {"internet"}),
        ("casm allocate ", {"bng1/home"}),
        ("casm device check ", {"bng1"}),
        ("casm release ", {"b1"}),
        ("casm release 198", {"198.51.100.64/26"}),
        ("casm device add x --driver ietf-a", {"ietf-address-pool"}),
    ],
)
def test_names_are_completed_from_the_store(stocked: Casm, words: str, expected: set[str]) -> None:
    stocked("allocate", "bng1/home")
    assert _complete(words) == expected


def test_completion_without_a_store_is_silent(casm: Casm) -> None:
    assert _complete("casm pool show ") == set()


def _complete(words: str) -> set[str]:
    environment = {
        "_CASM_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    ended = CliRunner().invoke(app, [], prog_name="casm", env=environment)
    assert ended.stderr == ""
    return set(ended.stdout.split())


def test_an_allocation_names_all_devices_that_get_it(stocked: Casm) -> None:
    for line in (
        "device add bng2 --role bng --driver ietf-address-pool --host 192.0.2.2 --user u --credential env:PW",
        "device add bng3 --role bng --driver ietf-address-pool --host 192.0.2.3 --user u --credential env:PW",
        "group add pair --member bng1:serves --member bng2:stands-by --member bng3:relays",
        "device-pool add bng1/pair --pool p4 --length 27 --group pair",
    ):
        assert stocked(*line.split()).status == 0
    assert "'casm apply bng1 bng2' installs it." in stocked("allocate", "bng1/pair").out
