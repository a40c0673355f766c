"""Places between rows: what is read of a row to know its place, and the condition that rows lie beyond it.

Rows are compared as ORDER BY compares them, by the collation of the database, never by the exact equality of filters:
otherwise ties would be visited twice or not at all. So that a place is exact for whatever is stored, it is read in a
form of its own, which neither rounds nor translates; see `form_of`.

Source: the expansion of a comparison of rows into ANDs and ORs is that of Markus Winand, "Paging Through Results",
use-the-index-luke.com; the leading bound is what an index can serve of it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import NullType, TypeEngine

from splice.reads import Computed, Position, Sort

__all__ = [
    "Branch",
    "Form",
    "PositionError",
    "Term",
    "beyond",
    "branches",
    "check_position",
    "form_of",
    "order_by",
    "reversed_terms",
    "shows_exactly",
    "stored_as",
]

_Column: TypeAlias = ColumnElement[Any]

_MARIADB: Final = frozenset({"mariadb", "mysql"})
_ROW_VALUES: Final = frozenset({"postgresql", "sqlite"})
"""Where an index serves `(a, b) > (x, y)`."""

_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001  # as SQLAlchemy stores intervals
_MOST_DIGITS: Final = 1_000
"""Of a Decimal, on either side of the point; PostgreSQL refuses more than it can hold."""


class PositionError(ValueError):
    """A position is none of this order: it was forged, or its columns have changed."""


@dataclass(frozen=True, slots=True)
class Form:
    """How the values of a column are read for a position, and compared with it later.

    `shown` is what a statement selects; `compared` and `bound` are the two sides of a comparison; `fits` tells whether
    a value can have come from `shown`; `sorted` makes what was selected sort as the column does.
    """

    shown: Callable[[_Column], _Column]
    compared: Callable[[_Column], _Column]
    bound: Callable[[Any], _Column]
    fits: Callable[[Any], bool]
    sorted: Callable[[_Column], _Column] = lambda column: column


@dataclass(frozen=True, slots=True)
class Term:
    """One sort term of a statement. `nulls_first` only where the order is walked backward: forward, NULLs come last."""

    column: _Column
    form: Form
    descending: bool
    nullable: bool
    nulls_first: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of the rows that one index serves in order: those that match, from behind `values` on."""

    condition: ColumnElement[bool] | None
    terms: tuple[Term, ...]
    values: tuple[Any, ...] | None


def reversed_terms(terms: Sequence[Term]) -> tuple[Term, ...]:
    """The same order from its other end."""
    return tuple(
        dataclasses.replace(term, descending=not term.descending, nulls_first=not term.nulls_first)
        for term in terms
    )


def order_by(terms: Sequence[Term], dialect: str) -> list[_Column]:
    """The terms in the words of a database, NULLs at the end where the term says so."""
    return [part for term in terms for part in _ordered(term, dialect)]


def _ordered(term: Term, dialect: str) -> list[_Column]:
    column = term.column.desc() if term.descending else term.column.asc()
    if not term.nullable:
        return [column]
    if dialect not in _MARIADB:
        return [column.nulls_first() if term.nulls_first else column.nulls_last()]
    # MariaDB and MySQL have no words for it, and no index serves the expression: left out where it changes nothing.
    null = term.column.is_(None)
    return (
        [column] if _is_native(term, dialect) else [null.desc() if term.nulls_first else null.asc(), column]
    )


def _is_native(term: Term, dialect: str) -> bool:
    """Whether a plain index, read from either end, has the NULLs where the term wants them."""
    nulls_are_greatest = dialect == "postgresql"
    return term.nulls_first == (term.descending == nulls_are_greatest)


def branches(terms: Sequence[Term], values: Sequence[Any] | None, dialect: str) -> list[Branch]:
    """The rows beyond a position in one part, or in two to be read one after the other: an index serves each.

    A nullable first term makes two of them, rows with a value and rows without, where NULLs stand at another end than
    in an index, or where a range would have to reach into them.
    """
    start = None if values is None else tuple(values)
    first = terms[0] if terms else None
    whole = Branch(None, tuple(terms), start)
    if first is None or not first.nullable or (start is None and _is_native(first, dialect)):
        return [whole]
    rest = tuple(terms[1:])
    some = Branch(first.column.is_not(None), (dataclasses.replace(first, nullable=False), *rest), None)
    none = Branch(first.column.is_(None), rest, None)
    parts = [none, some] if first.nulls_first else [some, none]
    if start is None:
        return parts
    return _from(parts, parts.index(none if start[0] is None else some), start)


def _from(parts: list[Branch], first: int, start: tuple[Any, ...]) -> list[Branch]:
    values = start[len(start) - len(parts[first].terms) :]
    return [dataclasses.replace(parts[first], values=values), *parts[first + 1 :]]


def beyond(terms: Sequence[Term], values: Sequence[Any], dialect: str) -> ColumnElement[bool]:
    """Rows that come after the row with these values of the terms."""
    if not terms:
        return sa.false()
    if _is_one_row_value(terms, values, dialect):
        return _after_row(terms, values)
    after = _after(terms, values)
    # An index serves a single range; what is too near within it is sorted out row by row.
    return after if len(terms) == 1 else sa.and_(_not_before(terms[0], values[0]), after)


def _is_one_row_value(terms: Sequence[Term], values: Sequence[Any], dialect: str) -> bool:
    one_way = len({term.descending for term in terms}) == 1
    certain = not any(term.nullable for term in terms) and None not in values
    return dialect in _ROW_VALUES and len(terms) > 1 and one_way and certain


def _after_row(terms: Sequence[Term], values: Sequence[Any]) -> ColumnElement[bool]:
    row = sa.tuple_(*(term.form.compared(term.column) for term in terms))
    bound = sa.tuple_(*(term.form.bound(value) for term, value in zip(terms, values, strict=True)))
    return row < bound if terms[0].descending else row > bound


def _after(terms: Sequence[Term], values: Sequence[Any]) -> ColumnElement[bool]:
    further = _further(terms[0], values[0])
    if len(terms) == 1:
        return further
    return sa.or_(further, sa.and_(_level(terms[0], values[0]), _after(terms[1:], values[1:])))


def _further(term: Term, value: Any) -> ColumnElement[bool]:
    if value is None:
        return term.column.is_not(None) if term.nulls_first else sa.false()
    column, bound = term.form.compared(term.column), term.form.bound(value)
    further: ColumnElement[bool] = column < bound if term.descending else column > bound
    return sa.or_(further, term.column.is_(None)) if term.nullable and not term.nulls_first else further


def _not_before(term: Term, value: Any) -> ColumnElement[bool]:
    if value is None:
        return sa.true() if term.nulls_first else term.column.is_(None)
    column, bound = term.form.compared(term.column), term.form.bound(value)
    kept: ColumnElement[bool] = column <= bound if term.descending else column >= bound
    return sa.or_(kept, term.column.is_(None)) if term.nullable and not term.nulls_first else kept


def _level(term: Term, value: Any) -> ColumnElement[bool]:
    if value is None:
        return term.column.is_(None)
    level: ColumnElement[bool] = term.form.compared(term.column) == term.form.bound(value)
    return level


def check_position(position: Position, order: Sequence[Sort], dialect: str) -> None:
    """Make sure that a position that came back from a client can belong to an order.

    Raises:
        PositionError: There are more or fewer values than terms, or one cannot be stored in its column.
    """
    if position.skipped is not None:
        if position.values or not 0 <= position.skipped < 2**63:
            raise PositionError("a number of rows is expected")
        return
    if len(position.values) != len(order):
        raise PositionError("there is not one value for each sort term")
    for sort, value in zip(order, position.values, strict=True):
        if value is None and not sort.nullable:
            raise PositionError("a value is missing")
        if value is not None and not _form_of_sort(sort, dialect).fits(value):
            raise PositionError("a value is none of its column")


def _form_of_sort(sort: Sort, dialect: str) -> Form:
    return form_of(sort.by.build().type if isinstance(sort.by, Computed) else sort.by.type, dialect)


def form_of(type_: TypeEngine[Any], dialect: str) -> Form:
    """How values of a column of this type are read, compared and checked.

    | where | what | why |
    |---|---|---|
    | SQLite | the value that is stored, untyped | any column may hold any value |
    | MariaDB, PostgreSQL | FLOAT as a double | the text of a float is rounded |
    | MariaDB | ENUM and SET as their number | they sort by it, but compare as text |
    | PostgreSQL | ENUM as its text, cast back | drivers know nothing of the type |
    | MariaDB | BOOL as its number, UUID as its text | the column may hold others than Python's |
    | all servers | Decimal, whatever the model makes of it | a float would round it |
    """
    stored = stored_as(type_, dialect)
    if dialect == "sqlite":
        return _STORED_PLAINLY if type_ is stored and _is_raw(stored) else _STORED
    if isinstance(stored, sa.Enum | mysql.SET) and getattr(stored, "native_enum", True):
        return _number() if dialect in _MARIADB else _name(stored)
    if isinstance(stored, sa.Float):
        return _double(dialect)
    if isinstance(stored, sa.Numeric):
        # Of no stated size: a value that is bound would be rounded to it, or refused.
        return _typed(sa.Numeric(), dialect, plain=stored is type_ and stored.asdecimal)
    kind = _comparable_type(stored, dialect)
    return _typed(kind, dialect, plain=kind is type_)


def shows_exactly(type_: TypeEngine[Any], dialect: str) -> bool:
    """Whether the values that a statement reads anyway are those of positions."""
    return form_of(type_, dialect).shown is _same


def stored_as(type_: TypeEngine[Any], dialect: str) -> TypeEngine[Any]:
    """What lies below every TypeDecorator on this database; a type may have a variant for it."""
    chosen = type_._variant_mapping.get(dialect, type_)  # noqa: SLF001  # SQLAlchemy tells it nowhere else by name
    if isinstance(chosen, sa.TypeDecorator) and not isinstance(chosen, sa.Interval):
        return stored_as(chosen.impl_instance, dialect)
    return chosen


def _is_raw(type_: TypeEngine[Any]) -> bool:
    """Whether SQLAlchemy hands over what the driver of SQLite gives."""
    return isinstance(type_, sa.Integer | sa.String) and not isinstance(type_, sa.Enum)


def _comparable_type(stored: TypeEngine[Any], dialect: str) -> TypeEngine[Any]:
    """A type that loses nothing between a row and a parameter."""
    on_mariadb = dialect in _MARIADB
    if isinstance(stored, sa.Enum) or (on_mariadb and isinstance(stored, sa.Uuid)):
        return sa.String()
    if isinstance(stored, sa.Boolean) and on_mariadb:
        return sa.Integer()
    if isinstance(stored, sa.Uuid) and not stored.as_uuid:
        return sa.Uuid()
    return stored


def _same(column: _Column) -> _Column:
    return column


def _untyped(column: _Column) -> _Column:
    return sa.type_coerce(column, NullType())


def _is_storable_in_sqlite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isnan(value)
    return isinstance(value, bytes) or _is_text(value) or _is_whole(value, -(2**63), 2**63)


_STORED: Final = Form(
    shown=_untyped,
    compared=_untyped,
    bound=sa.literal,
    fits=_is_storable_in_sqlite,
)
_STORED_PLAINLY: Final = dataclasses.replace(_STORED, shown=_same)


def _typed(type_: TypeEngine[Any], dialect: str, *, plain: bool) -> Form:
    def coerced(column: _Column) -> _Column:
        return sa.type_coerce(column, type_)

    side = _same if plain else coerced
    return Form(side, side, lambda value: sa.literal(value, type_), _fits(type_, dialect))


def _double(dialect: str) -> Form:
    def shown(column: _Column) -> _Column:
        if dialect not in _MARIADB:
            return sa.cast(column, sa.Double())
        # Not a cast, which servers of different ages know by different names.
        return sa.type_coerce(column, sa.Double()) + sa.literal_column("0e0", sa.Double())

    def bound(value: Any) -> _Column:
        number: _Column = sa.literal(float(value), sa.Double())
        return number if dialect in _MARIADB else sa.cast(number, sa.Double())

    def fits(value: Any) -> bool:
        real = isinstance(value, float) and (math.isfinite(value) or dialect not in _MARIADB)
        return real or _is_whole(value, -(2**53), 2**53)

    return Form(shown, lambda column: sa.type_coerce(column, sa.Double()), bound, fits)


def _number() -> Form:
    def number(column: _Column) -> _Column:
        return sa.type_coerce(column, sa.Integer()) + sa.literal_column("0", sa.Integer())

    return Form(
        shown=number,
        compared=number,
        bound=lambda value: sa.literal(value, sa.BigInteger()),
        fits=lambda value: _is_whole(value, 0, 2**64),
    )


def _name(type_: Any) -> Form:
    def member(text: _Column) -> _Column:
        return sa.cast(text, type_)

    return Form(
        shown=lambda column: sa.cast(column, sa.Text()),
        compared=_same,
        bound=lambda value: member(sa.literal(value, sa.String())),
        fits=lambda value: value in type_.enums,
        sorted=member,
    )


def _fits(type_: TypeEngine[Any], dialect: str) -> Callable[[Any], bool]:
    for kind, fits in _FITS:
        if isinstance(type_, kind):
            return lambda value: fits(value, type_, dialect)
    # Drivers of MariaDB write a number that is none as a name.
    return _is_scalar if dialect == "postgresql" else lambda value: _is_scalar(value) and _is_finite(value)


def _is_whole(value: Any, least: int, beyond_most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < beyond_most


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _is_finite(value: Any) -> bool:
    return not isinstance(value, float | Decimal) or math.isfinite(value)


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, list | dict | tuple)


def _fits_integer(value: Any, type_: Any, dialect: str) -> bool:
    bits = 16 if isinstance(type_, sa.SmallInteger) else 64 if isinstance(type_, sa.BigInteger) else 32
    if dialect in _MARIADB:
        # A number beyond the column's is compared all the same, and columns may be wider than the model says.
        return _is_whole(value, -(2**63), 2**64)
    return _is_whole(value, -(2 ** (bits - 1)), 2 ** (bits - 1))


def _fits_numeric(value: Any, _type: Any, dialect: str) -> bool:
    if isinstance(value, Decimal) and not value.is_finite():
        return dialect == "postgresql" and not value.is_snan()
    if isinstance(value, Decimal):
        return abs(value.adjusted()) < _MOST_DIGITS and len(value.as_tuple().digits) < _MOST_DIGITS
    return _is_whole(value, -(2**63), 2**64)


def _fits_text(value: Any, _type: Any, dialect: str) -> bool:
    return _is_text(value) and not (dialect == "postgresql" and "\x00" in value)


def _fits_datetime(value: Any, type_: Any, dialect: str) -> bool:
    if not isinstance(value, dt.datetime):
        return False
    if value.tzinfo is None:
        # An engine that splice did not make gives back what MariaDB stores, without a zone.
        return not type_.timezone or dialect in _MARIADB
    return bool(type_.timezone) and _is_in_calendar(value)


def _is_in_calendar(value: dt.datetime) -> bool:
    try:
        value.astimezone(dt.UTC)
    except OverflowError:
        return False
    return True


def _fits_time(value: Any, type_: Any, dialect: str) -> bool:
    zoned = bool(type_.timezone) and dialect not in _MARIADB
    return isinstance(value, dt.time) and (value.tzinfo is not None) == zoned


def _fits_interval(value: Any, _type: Any, dialect: str) -> bool:
    if not isinstance(value, dt.timedelta) or dialect == "postgresql":
        return isinstance(value, dt.timedelta)
    try:
        _EPOCH + value
    except OverflowError:
        return False
    return True


def _is_date(value: Any, _type: Any, _dialect: str) -> bool:
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


_FITS: Final[tuple[tuple[type[Any], Callable[[Any, Any, str], bool]], ...]] = (
    (sa.Boolean, lambda value, _type, _dialect: isinstance(value, bool)),
    (sa.Integer, _fits_integer),
    (sa.Numeric, _fits_numeric),
    (sa.String, _fits_text),
    (sa.Uuid, lambda value, _type, _dialect: isinstance(value, uuid.UUID)),
    (sa.DateTime, _fits_datetime),
    (sa.Date, _is_date),
    (sa.Time, _fits_time),
    (sa.Interval, _fits_interval),
    (sa.LargeBinary, lambda value, _type, _dialect: isinstance(value, bytes)),
)
