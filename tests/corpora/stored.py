"""What a database holds, read by plain SQL and spelt as the API owes it; written without a look at splice."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

__all__ = ["ForeignKey", "Look", "Stored", "changed", "everything", "reread"]

Spelling: TypeAlias = Callable[[Any], Any]
NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Look:
    """How a database is looked at.

    `moments_as_text` says that dates and times which SQLite keeps as text are shown as that text; `unordered` names
    columns (`table.column`) that list things in whatever order the database has just found them.
    """

    moments_as_text: bool = False
    unordered: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Column:
    """`spell` makes JSON of the driver's values; `level` takes from JSON what makes no difference."""

    type: TypeEngine[Any]
    spell: Spelling
    level: Spelling


@dataclass(frozen=True)
class ForeignKey:
    """One column that refers to the key of another table."""

    column: str
    table: str
    target: str


@dataclass(frozen=True)
class Stored:
    """A table or view: its columns, its keys, and its rows as JSON values.

    `key` is empty where there is none; `unique` holds the sets of columns that no two rows share, the key included.
    """

    name: str
    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    unique: tuple[frozenset[str], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    rows: Sequence[tuple[Any, ...]] = ()

    def column(self, name: str) -> list[Any]:
        """The values of one column, row by row."""
        place = list(self.columns).index(name)
        return [row[place] for row in self.rows]

    def texts(self, names: Sequence[str]) -> Counter[str]:
        """The rows, in these columns, as lines of JSON."""
        places = [(list(self.columns).index(name), self.columns[name].level) for name in names]
        return Counter(json.dumps([level(row[place]) for place, level in places]) for row in self.rows)

    def texts_of(self, items: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Counter[str]:
        """Rows that the API answered, by the names of its fields, in the same spelling."""
        places = [(name, self.columns[column].level) for column, name in names.items()]
        return Counter(json.dumps([level(item[name]) for name, level in places]) for item in items)


def everything(engine: sa.Engine, look: Look | None = None) -> Mapping[str, Stored]:
    """Read all tables and views of a database."""
    inspector = sa.inspect(engine)
    tables = {name: keyed(inspector, name, look or Look()) for name in inspector.get_table_names()}
    views = {name: plain(inspector, name, look or Look()) for name in inspector.get_view_names()}
    with engine.connect() as connection:
        return MappingProxyType(
            {
                name: replace(one, rows=rows_of(connection, one, {}))
                for name, one in {**tables, **views}.items()
            }
        )


def reread(engine: sa.Engine, table: Stored, key: Mapping[str, Any]) -> Stored:
    """A table with only the row that has a key."""
    with engine.connect() as connection:
        return replace(table, rows=rows_of(connection, table, key))


def changed(before: Mapping[str, Stored], after: Mapping[str, Stored]) -> list[str]:
    """The tables and views that are not what they were, in whatever order their rows come."""
    whole = [{name: one.texts(list(one.columns)) for name, one in state.items()} for state in (before, after)]
    return sorted(name for name in {**before, **after} if whole[0].get(name) != whole[1].get(name))


# What the database says of itself.


def keyed(inspector: sa.Inspector, name: str, look: Look) -> Stored:
    """A table without its rows."""
    key = tuple(inspector.get_pk_constraint(name)["constrained_columns"])
    return replace(
        plain(inspector, name, look),
        key=key,
        unique=tuple(unique_sets(inspector, name, key)),
        foreign_keys=tuple(foreign_keys(inspector, name)),
    )


def plain(inspector: sa.Inspector, name: str, look: Look) -> Stored:
    """A table or view without its rows and keys."""
    spelling = functools.partial(spelling_of, is_sqlite=inspector.dialect.name == "sqlite", look=look)
    found = {column["name"]: column["type"] for column in inspector.get_columns(name)}
    columns = {
        column: Column(
            type_,
            spelling(type_),
            without_order if f"{name}.{column}" in look.unordered else leveling_of(type_),
        )
        for column, type_ in found.items()
    }
    return Stored(name, MappingProxyType(columns))


def unique_sets(inspector: sa.Inspector, name: str, key: Sequence[str]) -> Iterator[frozenset[str]]:
    if key:
        yield frozenset(key)
    yield from (frozenset(found["column_names"]) for found in inspector.get_unique_constraints(name))
    yield from (frozenset(map(str, i["column_names"])) for i in inspector.get_indexes(name) if i["unique"])


def foreign_keys(inspector: sa.Inspector, name: str) -> Iterator[ForeignKey]:
    for found in inspector.get_foreign_keys(name):
        (column,), (target,) = found["constrained_columns"], found["referred_columns"]
        yield ForeignKey(column, found["referred_table"], target)


# What it holds.


def rows_of(connection: sa.Connection, table: Stored, key: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    quote = connection.dialect.identifier_preparer.quote_identifier
    where = " AND ".join(["1 = 1", *(f"{quote(column)} = :key_{n}" for n, column in enumerate(key))])
    # As text: SQLAlchemy's types would already make of the values what they are to be compared with.
    statement = f"SELECT {', '.join(map(quote, table.columns))} FROM {quote(table.name)} WHERE {where}"
    found = connection.execute(
        sa.text(statement), {f"key_{n}": value for n, value in enumerate(key.values())}
    )
    ways = [column.spell for column in table.columns.values()]
    return [
        tuple(None if value is None else way(value) for way, value in zip(ways, row, strict=True))
        for row in found
    ]


def spelling_of(type_: TypeEngine[Any], look: Look, *, is_sqlite: bool) -> Spelling:
    """How the API writes the driver's values of a column."""
    if is_exact(type_):
        return functools.partial(decimal, places=type_.scale or 0)  # type: ignore[attr-defined]  # it is a Numeric
    if is_sqlite and isinstance(type_, sa.DateTime) and not look.moments_as_text:
        return lambda text: dt.datetime.fromisoformat(text).isoformat()
    return spell


def leveling_of(type_: TypeEngine[Any]) -> Spelling:
    """Where a column does not say what its values look like, they are compared as the numbers or texts they are."""
    unsized = isinstance(type_, sa.Numeric) and not isinstance(type_, sa.Float) and not is_exact(type_)
    return number if unsized or isinstance(type_, sa.types.NullType) else as_it_is


def is_exact(type_: TypeEngine[Any]) -> bool:
    """Whether a column is a decimal of a stated size."""
    return isinstance(type_, sa.Numeric) and not isinstance(type_, sa.Float) and type_.precision is not None


def decimal(value: Any, places: int) -> str:
    return f"{Decimal(str(value)):.{places}f}"


def spell(value: Any) -> Any:
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def number(value: Any) -> Any:
    """A number without its notation: 12, 12.0 and "12.00" are the same."""
    is_number = isinstance(value, int | float) or (isinstance(value, str) and NUMBER.fullmatch(value))
    return f"{Decimal(str(value)).normalize():f}" if is_number else value


def without_order(value: Any) -> Any:
    return value if value is None else sorted(value.split(", "))


def as_it_is(value: Any) -> Any:
    return value
