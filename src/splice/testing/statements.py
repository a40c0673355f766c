"""How many statements a block of code sends to its databases, which, and whether one of them is an N+1 pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import ORMExecuteState, RelationshipProperty, Session

from splice.database import Database

__all__ = ["Statements", "count_statements"]

_Source: TypeAlias = Database[Any] | Engine | AsyncEngine

_TRANSACTION_CONTROL: Final = re.compile(
    r"\s*(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|START\s+TRANSACTION)\b", re.IGNORECASE
)
"""Not counted: under test there are savepoints in the place of transactions, and in production neither costs much."""

_RELATION: Final = "splice_relation"
_MANY: Final = 3
_SHOWN_NUMBERS: Final = 5


@dataclass(frozen=True, slots=True)
class _Sent:
    """One statement, and the relation that was loaded lazily by it: `User.posts`."""

    text: str
    lazy: str | None


class Statements:
    """Counts the statements that a block sends to some databases.

    Each block counts for itself: `with statements.at_most(3): …`. `recorded` holds the SQL of the last one.
    """

    def __init__(self, sources: Callable[[], Sequence[_Source]]) -> None:
        self._sources = sources
        self._sent: list[_Sent] = []

    @property
    def recorded(self) -> list[str]:
        """The statements of the block that runs or has run last, in order, on one line each."""
        return [sent.text for sent in self._sent]

    def at_most(self, limit: int) -> AbstractContextManager[Statements]:
        """Fail when the block sends more statements than these, and show them.

        Raises:
            AssertionError: At the end of the block; names the N+1 pattern, and what would spare it.
        """
        return self._block(lambda number: f"at most {limit} allowed" if number > limit else None)

    def exactly(self, number: int) -> AbstractContextManager[Statements]:
        """Fail when the block sends another number of statements, and show them.

        Raises:
            AssertionError: At the end of the block.
        """
        return self._block(lambda sent: f"not {number}" if sent != number else None)

    def recording(self) -> AbstractContextManager[Statements]:
        """Record without a limit: `with statements.recording(): …`, then look at `recorded`."""
        return self._block(lambda _: None)

    def _block(self, complain: Callable[[int], str | None]) -> _Block:
        return _Block(self, self._begin, complain)

    def _begin(self) -> tuple[list[Engine], list[_Sent]]:
        # A list of its own: what came before may still be held by whoever asked for it.
        self._sent = []
        return [_engine_of(source) for source in self._sources()], self._sent


class _Block:
    """One block that is counted. Not a generator: its frames would stand between a test and its failure."""

    def __init__(
        self,
        statements: Statements,
        begin: Callable[[], tuple[list[Engine], list[_Sent]]],
        complain: Callable[[int], str | None],
    ) -> None:
        self._statements = statements
        self._begin = begin
        self._complain = complain
        self._sent: list[_Sent] = []
        self._ends = ExitStack()

    def __enter__(self) -> Statements:
        engines, self._sent = self._begin()
        self._ends.enter_context(_naming_relations())
        for engine in engines:
            self._ends.enter_context(_listening(engine, self._sent))
        return self._statements

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        __tracebackhide__ = True
        self._ends.close()
        complaint = self._complain(len(self._sent)) if kind is None else None
        if complaint:
            raise AssertionError(f"{_counted(len(self._sent))}, {complaint}\n{_told(self._sent)}")


def count_statements(*sources: _Source) -> Statements:
    """A counter for engines and Databases: `counter = …`, then `with counter.at_most(3): …`."""
    return Statements(lambda: sources)


def _engine_of(source: _Source) -> Engine:
    engine = source.engine if isinstance(source, Database) else source
    return engine.sync_engine if isinstance(engine, AsyncEngine) else engine


@contextmanager
def _listening(engine: Engine, sent: list[_Sent]) -> Iterator[None]:
    def note(_connection: Any, _cursor: Any, text: str, _parameters: Any, context: Any, _many: bool) -> None:
        if not _TRANSACTION_CONTROL.match(text):
            options = {} if context is None else context.execution_options
            sent.append(_Sent(" ".join(text.split()), options.get(_RELATION)))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


@contextmanager
def _naming_relations() -> Iterator[None]:
    """Statements of any session say which relation they load, by an option that goes down to the driver with them."""

    def name(state: ORMExecuteState) -> None:
        # Taken back, too: options of a lazy load are inherited by the eager loads that follow from it.
        state.update_execution_options(**{_RELATION: _lazily_loaded(state)})

    sa.event.listen(Session, "do_orm_execute", name)
    try:
        yield
    finally:
        sa.event.remove(Session, "do_orm_execute", name)


def _lazily_loaded(state: ORMExecuteState) -> str | None:
    """The relation that a statement loads for one entity alone."""
    path = state.loader_strategy_path if state.is_relationship_load else None
    if path is None or state.lazy_loaded_from is None:
        return None
    return str(path[-1]) if isinstance(path[-1], RelationshipProperty) else None


def _counted(number: int) -> str:
    return "1 statement" if number == 1 else f"{number} statements"


def _told(sent: Sequence[_Sent]) -> str:
    lines = [_line(text, numbers) for text, numbers in _folded(sent).items()]
    return "\n".join([*lines, *_hints(sent)])


def _folded(sent: Sequence[_Sent]) -> Mapping[str, list[int]]:
    """The numbers under which each text was sent, in the order of the first of them."""
    folded: dict[str, list[int]] = {}
    for number, one in enumerate(sent, start=1):
        folded.setdefault(one.text, []).append(number)
    return folded


def _line(text: str, numbers: Sequence[int]) -> str:
    return f"{numbers[0]:>4}. {text}{_again(numbers) if len(numbers) > 1 else ''}"


def _again(numbers: Sequence[int]) -> str:
    named = [*numbers[: _SHOWN_NUMBERS - 1], numbers[-1]] if len(numbers) > _SHOWN_NUMBERS else numbers
    words = [str(number) for number in named]
    if len(numbers) > _SHOWN_NUMBERS:
        words.insert(-1, "…")
    return f"\n      {len(numbers)} times: {', '.join(words)}"


def _hints(sent: Sequence[_Sent]) -> Iterator[str]:
    lazy = [one.lazy for one in sent if one.lazy]
    for relation in dict.fromkeys(lazy):
        if lazy.count(relation) > 1:
            yield _lazy_hint(relation, lazy.count(relation))
    named = {one.text for one in sent if one.lazy}
    for text, numbers in _folded(sent).items():
        if len(numbers) >= _MANY and text not in named and text.upper().startswith("SELECT"):
            yield (
                f"N+1: statement {numbers[0]} ran {len(numbers)} times. Ask once for all rows, for instance by "
                ".where(column.in_(values))."
            )


def _lazy_hint(relation: str, times: int) -> str:
    model = relation.split(".", maxsplit=1)[0]
    return (
        f"N+1: {relation} was loaded {times} times, once for each {model}. Load it for all of them at once: "
        f"select({model}).options(selectinload({relation}))."
    )
