"""What a read will do: a query with its names resolved and its values typed. Values only; `plan` makes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy.sql.elements import ColumnElement

from splice.description import Description, Field, Link
from splice.terms import Count, Operator, Place

__all__ = [
    "ChildOf",
    "Compare",
    "Computed",
    "Custom",
    "Either",
    "Every",
    "Exists",
    "KeyIs",
    "Many",
    "Negation",
    "One",
    "Position",
    "ReadPlan",
    "Selection",
    "Sort",
    "Test",
]


@dataclass(frozen=True, slots=True)
class Compare:
    """A field compared with typed values; NULL matches none, and `ne` and `not_in` neither.

    That of `isnull` is one bool.
    """

    field: Field
    operator: Operator
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Custom:
    """A filter of the user's own: `build(value)` is a condition on the columns of the model itself."""

    build: Callable[[Any], ColumnElement[bool]]
    value: Any
    name: str = ""


@dataclass(frozen=True, slots=True)
class Every:
    """Every part holds; without parts it always does."""

    parts: tuple[Test, ...] = ()


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """The part is false; what is unknown stays unknown."""

    part: Test


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a row behind the link for which the part holds."""

    link: Link
    target: Description
    part: Test


@dataclass(frozen=True, slots=True)
class KeyIs:
    """The row of this key, in the order of the primary key."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ChildOf:
    """The rows that the link of one parent row leads to; `key` is the parent's."""

    parent: Description
    link: Link
    key: tuple[Any, ...]


Test: TypeAlias = Compare | Custom | Every | Either | Negation | Exists | KeyIs | ChildOf


@dataclass(frozen=True, slots=True)
class Computed:
    """A sort key of the user's own: `build()` is an expression over the columns of the model itself."""

    name: str
    build: Callable[[], ColumnElement[Any]]


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort term, reached through `links` to one row each; NULLs come last on every database.

    `nullable` also where a link may lead to no row.
    """

    links: tuple[tuple[Link, Description], ...]
    by: Field | Computed
    descending: bool
    nullable: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """What is shown of each row: fields, then relations, each in the order of the model."""

    description: Description
    fields: tuple[Field, ...]
    relations: tuple[One | Many, ...] = ()


@dataclass(frozen=True, slots=True)
class One:
    """The one row behind a link, or null; read in the same statement."""

    link: Link
    selection: Selection


@dataclass(frozen=True, slots=True)
class Many:
    """The rows behind a link, read by one statement for all parents; `limit` is in rows for each of them.

    Where the link leads to one row that a join might multiply (`link.many` is false), it is shown as one row or null.
    """

    link: Link
    selection: Selection
    test: Test
    order: tuple[Sort, ...]
    limit: int | None


@dataclass(frozen=True, slots=True)
class Position:
    """A place between rows: behind the row with these values of the sort terms, or before it when going backward.

    The values are those that the statement itself gave for the row. Of a model without a key that tells its rows apart
    it is a number of rows: `skipped`. `at` is where it stands in a request.
    """

    values: tuple[Any, ...] = ()
    backward: bool = False
    skipped: int | None = None
    at: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """What a read will do; `order` always ends with the key, so that pages do not overlap.

    `limit` and `offset` are in rows. `tagged` tells that a row is shown as it always is, so that its entity tag is of
    what is shown. `fingerprint` tells queries apart by filter and order: a cursor is of one of them.
    """

    selection: Selection
    test: Test
    order: tuple[Sort, ...]
    limit: int
    offset: int = 0
    position: Position | None = None
    count: Count | None = None
    fingerprint: str = ""
    tagged: bool = False

    @property
    def description(self) -> Description:
        return self.selection.description
