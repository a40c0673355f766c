"""Runs the statements of a read, and nests what they give: one for the page, and one for each to-many that is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ExecutableOption

from splice.description import Description
from splice.errors import Invalid, Issue
from splice.keyset import PositionError, check_position
from splice.layouts import Layout, Nest, layout_of, layout_of_children
from splice.plan import MAX_RELATED_ROWS, invalid_cursor
from splice.reads import Many, One, Position, ReadPlan
from splice.statements import select_children, select_entities, select_page

__all__ = ["TOO_MANY_ROWS", "Entities", "Rows", "read_entities", "read_rows"]

TOO_MANY_ROWS: Final = "too-many-rows"
"""The code of an issue: a relation has more rows than one answer shows."""
_MAX_BOUND: Final = 25_000
"""Keys in one statement: SQLite and PostgreSQL take 32,766 and 32,767 values, of which filters may have 5,000."""
_MAX_COMPOSITE: Final = 2_000
"""Keys of several columns in one statement."""

_Row: TypeAlias = Sequence[Any]
_Key: TypeAlias = tuple[Any, ...]
_Shown: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """A page: nested rows in the order that was asked for, and whether more lie beyond in the direction of the walk.

    `first` is the place before its first row, to go backward from; `last` the one behind its last row. Both are None
    where the page is empty.
    """

    rows: list[dict[str, Any]]
    has_more: bool
    first: Position | None
    last: Position | None


@dataclass(frozen=True, slots=True)
class Entities:
    """The same of ORM entities."""

    entities: list[Any]
    has_more: bool
    first: Position | None
    last: Position | None


def read_rows(session: Session, plan: ReadPlan, dialect: str) -> Rows:
    """The page of a plan, with all that it shows of relations; no ORM entity is made.

    The number of statements depends on the plan alone, unless parents are so many that no statement takes their keys.

    Raises:
        Invalid: A relation has more rows for these parents than one answer shows; the issue's code is `too-many-rows`.
            Or the position is none of this order: `invalid-cursor`.
    """
    _check(plan, dialect)
    layout = layout_of(plan.selection, plan.order, dialect)
    with _position_trusted(plan):
        read = session.execute(select_page(plan, dialect)).all()
    found, has_more = _cut(read, plan)
    rows = _Assembly(session, dialect).nested(found, layout, plan.description)
    places = [layout.position(row) for row in (found[:1] + found[-1:])]
    return Rows(rows, has_more, *_ends(plan, len(found), places))


def read_entities(
    session: Session,
    plan: ReadPlan,
    dialect: str,
    options: Sequence[ExecutableOption] = (),
    *,
    fresh: bool = False,
) -> Entities:
    """The page of a plan as ORM entities, for answers in a shape of the user's own.

    Args:
        session: Whose the entities are.
        plan: Which rows, in which order; what it shows of them is left to the options.
        dialect: Which database it is.
        options: What is loaded with each entity.
        fresh: Whether what the session holds of these rows gives way to what is stored.

    Raises:
        Invalid: The position is none of this order.
    """
    _check(plan, dialect)
    statement = select_entities(plan, dialect).options(*options)
    statement = statement.execution_options(populate_existing=True) if fresh else statement
    # Unique: a relation may be declared to be joined, and gives a row for each of its own.
    with _position_trusted(plan):
        read = session.execute(statement).unique().all()
    found, has_more = _cut(read, plan)
    places = [tuple(row[1:]) for row in (found[:1] + found[-1:])]
    return Entities([row[0] for row in found], has_more, *_ends(plan, len(found), places))


def _check(plan: ReadPlan, dialect: str) -> None:
    """Positions come from clients, and only here is it known what the database gives for a column."""
    if plan.position is None:
        return
    try:
        check_position(plan.position, plan.order, dialect)
    except PositionError:
        raise invalid_cursor(plan.position.at) from None


@contextmanager
def _position_trusted(plan: ReadPlan) -> Iterator[None]:
    """A sort key of the user's own may have no known type: then only the database can tell that a value is forged."""
    try:
        yield
    except (sa.exc.DataError, sa.exc.ProgrammingError, sa.exc.InternalError) as error:
        if plan.position is None or error.connection_invalidated:
            raise
        raise invalid_cursor(plan.position.at) from error


def _cut(found: Sequence[_Row], plan: ReadPlan) -> tuple[list[_Row], bool]:
    """The rows of the page in the order of the plan, without the one that tells of more."""
    rows, has_more = list(found[: plan.limit]), len(found) > plan.limit
    if plan.position is not None and plan.position.backward:
        rows.reverse()
    return rows, has_more


def _ends(
    plan: ReadPlan, count: int, places: Sequence[tuple[Any, ...]]
) -> tuple[Position | None, Position | None]:
    if not count:
        return None, None
    if not plan.description.walkable:
        skipped = plan.position.skipped if plan.position is not None else None
        start = plan.offset if skipped is None else skipped
        return Position(skipped=start), Position(skipped=start + count)
    return Position(places[0], backward=True), Position(places[-1])


@dataclass(slots=True)
class _Gap:
    """Where the rows behind a link belong: one place for each time that a parent is shown."""

    parent: Description
    places: dict[_Key, list[_Shown]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Assembly:
    """Nests the rows of statements, and runs one more for each to-many among them."""

    session: Session
    dialect: str

    def nested(self, found: Sequence[_Row], layout: Layout, description: Description) -> list[_Shown]:
        gaps: dict[int, tuple[Many, _Gap]] = {}
        rows = [self._nest(row, layout.nest, description, gaps) for row in found]
        for many, gap in gaps.values():
            self._fill(many, gap)
        return rows

    def _nest(
        self, row: _Row, nest: Nest, description: Description, gaps: dict[int, tuple[Many, _Gap]]
    ) -> _Shown:
        shown = dict(zip(nest.names, nest.fields(row), strict=True))
        for part in nest.relations:
            if isinstance(part, Many):
                shown[part.link.name] = [] if part.link.many else None
                _, gap = gaps.setdefault(id(part), (part, _Gap(description)))
                gap.places.setdefault(nest.key(row), []).append(shown)
            else:
                one, inner = part
                shown[one.link.name] = self._one(row, one, inner, gaps)
        return shown

    def _one(self, row: _Row, one: One, nest: Nest, gaps: dict[int, tuple[Many, _Gap]]) -> _Shown | None:
        if all(value is None for value in nest.key(row)):
            return None
        return self._nest(row, nest, one.selection.description, gaps)

    def _fill(self, many: Many, gap: _Gap) -> None:
        keys, layout, name = list(gap.places), layout_of_children(many, self.dialect), many.link.name
        width = len(gap.parent.key)
        found = [row for part in _parts(keys, width) for row in self._children(many, gap.parent, part)]
        if len(found) > MAX_RELATED_ROWS:
            raise _too_many(gap.parent, many)
        found = list(_without_repeats(found, width, layout))
        shown = self.nested([row[width:] for row in found], layout, many.selection.description)
        of_parent: dict[_Key, list[_Shown]] = {}
        for row, child in zip(found, shown, strict=True):
            of_parent.setdefault(tuple(row[:width]), []).append(child)
        for key, children in of_parent.items():
            for place in gap.places.get(key, ()):
                place[name] = children if many.link.many else children[0]

    def _children(self, many: Many, parent: Description, keys: Sequence[_Key]) -> Sequence[_Row]:
        return self.session.execute(select_children(parent, many, keys, self.dialect)).all()


def _parts(keys: Sequence[_Key], width: int) -> Iterator[Sequence[_Key]]:
    # Of several columns, PostgreSQL reads a list of keys as comparisons inside of each other.
    size = _MAX_BOUND if width == 1 else _MAX_COMPOSITE
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _without_repeats(found: Sequence[_Row], width: int, layout: Layout) -> Sequence[_Row]:
    """One row for each parent and child, where a table between holds a pair twice."""
    if not layout.keyed:
        return found
    return list({(tuple(row[:width]), layout.nest.key(row[width:])): row for row in found}.values())


def _too_many(parent: Description, many: Many) -> Invalid:
    name = many.link.name
    issue = Issue(
        f"{parent.name}.{name} has more than {MAX_RELATED_ROWS} rows in this answer",
        TOO_MANY_ROWS,
        f"give {name} a limit, or ask for fewer rows of {parent.name}",
    )
    return Invalid(issues=[issue])
