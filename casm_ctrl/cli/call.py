"""How a command runs: its body answers with a document and with what people see; all else is here.

`command` adds the options that every command has, opens the store when the body asks for it, prints the
answer, and turns whatever goes wrong into one line and an exit status.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer

from casm_ctrl.cli import failures
from casm_ctrl.cli.options import COMMON, REQUEST, default_actor, default_url, examples_epilog

if TYPE_CHECKING:
    from rich.console import RenderableType

    from casm_ctrl.store.database import Database
    from casm_ctrl.store.events import Author

Document = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What was said before the subcommand."""

    url: str | None = None
    actor: str | None = None
    as_json: bool = False


@dataclass(frozen=True)
class Answer:
    """What a command has to say.

    `document` is the answer without its `casm` member. `show` makes what people see, and is called only
    for them. `notes` go to stderr in either form; `faults` are errors of parts of the work, such as one
    device of many: one line each, and status 1.
    """

    document: Document
    show: Callable[[], Iterable[RenderableType]]
    notes: Sequence[str] = ()
    faults: Sequence[str] = ()


@dataclass(frozen=True)
class Call:
    """One run of a command: where its store is, who calls, and how to answer."""

    url: str
    actor: str
    as_json: bool
    request_id: str | None = None
    reason: str = ""
    _resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @cached_property
    def database(self) -> Database:
        """The store, opened at the first use; StoreMissing or StoreVersion where it cannot be used."""
        from casm_ctrl.store.database import open_database

        database = open_database(self.url)
        self._resources.callback(database.close)
        return database

    @cached_property
    def author(self) -> Author:
        from casm_ctrl.store.events import Author

        return Author(self.actor, self.request_id, self.reason)

    def seal(self) -> None:
        """Take what was done into the chain of the audit, as far as that is quick. What stays is taken by the
        next: no command fails because of it."""
        from casm_ctrl.base.errors import CasmError
        from casm_ctrl.service import sealing

        if "database" in self.__dict__:
            with contextlib.suppress(CasmError):
                sealing.seal_some(self.database, sealing.A_FEW)

    def close(self) -> None:
        self._resources.close()

    def repeated(self) -> bool:
        """True where the request id was answered before, so that this call only gets that answer again."""
        from casm_ctrl.base.errors import RequestReused
        from casm_ctrl.store.requests import find_answer

        if self.request_id is None:
            return False
        try:  # no request has the empty digest: what is found is always refused as another
            with self.database.read() as tx:
                find_answer(tx, self.author, b"")
        except RequestReused:
            return True
        return False


Body = Callable[..., Answer]


def command(
    app: typer.Typer,
    name: str,
    *,
    examples: Sequence[str],
    changes: bool = False,
    seals: bool = False,
    panel: str | None = None,
) -> Callable[[Body], Body]:
    """Register `body(call, …)` as a subcommand of `app`. Its docstring is the help text.

    `changes`: the command changes something, and so takes --request-id and --reason. `seals`: it writes to
    the audit without those, and seals it at its end as they do. `panel` is the heading under which
    `casm --help` lists it.
    """

    def decorate(body: Body) -> Body:
        run = _runner(body, changes=changes, seals=changes or seals)
        app.command(name, epilog=examples_epilog(examples), rich_help_panel=panel)(run)
        return body

    return decorate


def group_command(app: typer.Typer, *, examples: Sequence[str]) -> Callable[[Body], Body]:
    """As `command`, for what a group of subcommands does where none of them is named."""

    def decorate(body: Body) -> Body:
        run = _runner(body, changes=False, seals=False)
        app.callback(invoke_without_command=True, epilog=examples_epilog(examples))(run)
        return body

    return decorate


def _runner(body: Body, *, changes: bool, seals: bool) -> Callable[..., None]:
    """What Typer calls: it takes the options of `body` and the common ones."""
    own = list(inspect.signature(body, eval_str=True).parameters.values())[1:]
    added = [*(REQUEST if changes else ()), *COMMON]

    def run(ctx: typer.Context, **given: Any) -> None:
        call = _call_of(ctx, given)
        if ctx.invoked_subcommand is not None:
            ctx.obj = Settings(call.url, call.actor, call.as_json)
            return
        with failures.reported(call.as_json), contextlib.closing(call):
            try:
                before = call.repeated()
                answer = body(call, **given)
                _print(call, answer, repeated=before)
            finally:
                if seals:
                    call.seal()
        if answer.faults:
            raise typer.Exit(1)

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [context, *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *added))]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = _paragraphs(body.__doc__ or "")
    run.__name__ = body.__name__
    return run


def _paragraphs(text: str) -> str:
    """A docstring without the ends of its lines: typer would break the help there, however wide the terminal is."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def _call_of(ctx: typer.Context, given: dict[str, Any]) -> Call:
    """Take the common options out of `given`; what was said after the subcommand wins."""
    settings = ctx.obj if isinstance(ctx.obj, Settings) else Settings()
    url = given.pop("database") or settings.url or default_url()
    as_json = bool(given.pop("as_json")) or settings.as_json
    return Call(
        url=url,
        actor=settings.actor or default_actor(),
        as_json=as_json,
        request_id=given.pop("request_id", None),
        reason=given.pop("reason", None) or "",
    )


def _print(call: Call, answer: Answer, *, repeated: bool) -> None:
    from casm_ctrl.cli import output

    if repeated:
        failures.note(f"request id '{call.request_id}' was answered before: nothing was done again")
    for note in answer.notes:
        failures.note(note)
    if call.as_json:
        output.print_json(answer.document)
    else:
        output.print_parts(answer.show())
    for fault in answer.faults:
        failures.print_line(fault)


def lines(*text: str) -> Callable[[], Iterable[RenderableType]]:
    """`show` for an answer that is a few sentences."""
    return lambda: text
