"""What a database says of its tables and views, in one form for all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.reflection import Inspector, ObjectKind

from splice.reflection import postgresql, sqlite
from splice.reflection.broken import barred
from splice.reflection.columns import known_type, sqlite_type
from splice.reflection.models import Command, Kind, Place
from splice.reflection.sources import Source

__all__ = ["Wanted", "read_catalogue"]

Wanted: TypeAlias = Callable[[Place], str | None]
"""Why a table is not wanted; None if it is."""

_SYSTEM_SCHEMAS: Final = ("information_schema", "pg_catalog", "pg_toast")
_JSON_RULE: Final = re.compile(r"json_valid\(`([^`]+)`\)", re.IGNORECASE)


def read_catalogue(
    connection: Connection, wanted: Wanted, progress: Callable[[int, int, str], None]
) -> list[Source]:
    """Every table and view, wanted or refused with a reason; the system's own are not mentioned.

    PostgreSQL is asked a fixed number of questions for each schema; the others some for each table.
    """
    if connection.dialect.name == "sqlite":
        return barred(list(_read_sqlite(connection, wanted, progress)))
    return list(_read_schemas(connection, wanted, progress))


# PostgreSQL and MariaDB


def _read_schemas(
    connection: Connection, wanted: Wanted, progress: Callable[[int, int, str], None]
) -> Iterator[Source]:
    inspector = sa.inspect(connection)
    extras = _extras(connection)
    for schema in _schemas(connection, inspector):
        listed = dict(_listed(inspector, schema))
        refusals = {
            place: wanted(place) or extras.refused.get(place) or _broken_view(connection, place, kind)
            for place, kind in listed.items()
        }
        yield from (Source(place, listed[place], refusal=why) for place, why in refusals.items() if why)
        kept = {place: listed[place] for place, why in refusals.items() if not why}
        yield from _described(inspector, schema, kept, extras, progress)


def _schemas(connection: Connection, inspector: Inspector) -> Iterator[str | None]:
    yield None
    if connection.dialect.name == "postgresql":
        default = inspector.default_schema_name
        others = (name for name in inspector.get_schema_names() if name not in {default, *_SYSTEM_SCHEMAS})
        yield from sorted(name for name in others if not name.startswith("pg_"))


def _broken_view(connection: Connection, place: Place, kind: Kind) -> str | None:
    """Why a view of MariaDB cannot be read: it may be listed and described all the same."""
    if kind != "view" or connection.dialect.name == "postgresql":
        return None
    try:
        connection.execute(sa.select(sa.literal(1)).select_from(sa.table(place[1])).limit(0))
    except sa.exc.DBAPIError:
        return (
            "the database cannot read it: what it is made from is missing, or its definer may not read that"
        )
    return None


def _listed(inspector: Inspector, schema: str | None) -> Iterator[tuple[Place, Kind]]:
    yield from (((schema, name), "table") for name in inspector.get_table_names(schema))
    yield from (((schema, name), "view") for name in inspector.get_view_names(schema))
    if inspector.dialect.name == "postgresql":
        yield from (((schema, name), "view") for name in inspector.get_materialized_view_names(schema))


@dataclass(frozen=True, slots=True)
class _Extras:
    """What SQLAlchemy's inspector does not say: tables refused, commands diverted, columns of MariaDB's JSON.

    `foreign_keys` of all tables take the place of the inspector's, where they are given. The keys of `keyless` tables
    do not tell their rows apart.
    """

    refused: Mapping[Place, str] = field(default_factory=dict)
    diverted: Mapping[Place, Sequence[Command]] = field(default_factory=dict)
    foreign_keys: Mapping[Place, Sequence[Mapping[str, Any]]] | None = None
    keyless: frozenset[Place] = frozenset()
    filled: frozenset[Place] = frozenset()
    json: frozenset[tuple[str, str]] = frozenset()


def _extras(connection: Connection) -> _Extras:
    if connection.dialect.name == "postgresql":
        return _Extras(
            postgresql.refused(connection),
            postgresql.diverted(connection),
            postgresql.foreign_keys(connection),
            postgresql.inherited(connection),
            postgresql.filled(connection),
        )
    is_mariadb = getattr(connection.dialect, "is_mariadb", False)
    return _Extras(json=_json_columns(connection)) if is_mariadb else _Extras()


def _described(
    inspector: Inspector,
    schema: str | None,
    kept: Mapping[Place, Kind],
    extras: _Extras,
    progress: Callable[[int, int, str], None],
) -> Iterator[Source]:
    asked = [name for _, name in kept]
    if not asked:
        return
    progress(0, len(asked), schema or "")
    tables: dict[str, Any] = {"schema": schema, "filter_names": asked, "kind": ObjectKind.TABLE}
    columns = inspector.get_multi_columns(**{**tables, "kind": ObjectKind.ANY})
    keys = inspector.get_multi_pk_constraint(**tables)
    foreign_keys = extras.foreign_keys
    if foreign_keys is None:
        foreign_keys = inspector.get_multi_foreign_keys(**tables)
    uniques = inspector.get_multi_unique_constraints(**tables)
    indexes = inspector.get_multi_indexes(**tables)
    checks = inspector.get_multi_check_constraints(**tables)
    comments = inspector.get_multi_table_comment(**tables)
    for done, (place, kind) in enumerate(kept.items(), start=1):
        yield Source(
            place=place,
            kind=kind,
            columns=[
                _typed(column, is_json=(place[1], column["name"]) in extras.json)
                for column in columns.get(place, ())
            ],
            key=() if place in extras.keyless else tuple(_part(keys, place, "constrained_columns") or ()),
            foreign_keys=foreign_keys.get(place, ()),
            uniques=uniques.get(place, ()),
            indexes=indexes.get(place, ()),
            checks=checks.get(place, ()),
            comment=_part(comments, place, "text"),
            diverted=frozenset(extras.diverted.get(place, ())),
            filled=place in extras.filled,
            refusal=None
            if columns.get(place)
            else "the database cannot describe it: what it is made from is missing",
        )
        progress(done, len(asked), place[1])


def _part(found: Mapping[Any, Any], place: Place, name: str) -> Any:
    return (found.get(place) or {}).get(name)


def _json_columns(connection: Connection) -> frozenset[tuple[str, str]]:
    """The tables and columns of MariaDB's JSON, which is a text with a rule."""
    rules = connection.exec_driver_sql(
        "SELECT table_name, check_clause FROM information_schema.check_constraints "
        "WHERE constraint_schema = DATABASE()"
    )
    found = ((table, _JSON_RULE.fullmatch(rule)) for table, rule in rules)
    return frozenset((table, match[1]) for table, match in found if match)


def _typed(column: Mapping[str, Any], *, is_json: bool) -> Mapping[str, Any]:
    known = sa.JSON() if is_json else known_type(column["type"])
    refusal = None if known is not None else _unknown(column["type"])
    if "`" in column["name"]:
        # SQLAlchemy does not read such a name as it is.
        return {**column, "type": None, "refusal": "it has a backtick in its name"}
    return {**column, "type": known, "refusal": refusal}


def _unknown(type_: Any) -> str:
    name = type(type_).__name__
    return f"splice does not know the values of its type{'' if name == 'NullType' else f', {name}'}"


# SQLite


def _read_sqlite(
    connection: Connection, wanted: Wanted, progress: Callable[[int, int, str], None]
) -> Iterator[Source]:
    rows = connection.exec_driver_sql(
        "SELECT name, type, sql FROM sqlite_master "
        "WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_'"
    ).all()
    # Versions before 3.37 have no such list, and answer nothing.
    listed = connection.exec_driver_sql("PRAGMA main.table_list").all()
    shadows = {row[1] for row in listed if row[2] == "shadow"}
    keyed = {row[1] for row in listed if row[4]}
    inspector = sa.inspect(connection)
    for done, (name, kind, sql) in enumerate(rows, start=1):
        place: Place = (None, name)
        why = wanted(place) or _unservable(name, shadows)
        yield (
            Source(place, kind, refusal=why)
            if why
            else _read_entry(inspector, _Entry(name, kind, sql, is_keyed=name in keyed))
        )
        progress(done, len(rows), name)


def _unservable(name: str, shadows: set[str]) -> str | None:
    if not name:
        return "it has no name"
    return "a part of another table" if name in shadows else None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A table or view in the list that SQLite keeps; `is_keyed` where its rows have no number of their own."""

    name: str
    kind: Kind
    sql: str
    is_keyed: bool


def _read_entry(inspector: Inspector, entry: _Entry) -> Source:
    try:
        return _read_table(inspector, entry)
    except (sa.exc.DBAPIError, sa.exc.NoSuchTableError):
        why = "SQLite cannot read it: what it is made from, or a module, is missing"
        return Source((None, entry.name), entry.kind, refusal=why)


def _read_table(inspector: Inspector, entry: _Entry) -> Source:
    connection: Any = inspector.bind
    name = entry.name
    quoted = inspector.dialect.identifier_preparer.quote_identifier(name)
    rows = connection.exec_driver_sql(f"PRAGMA main.table_xinfo({quoted})").all()
    key = tuple(row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5])
    numbered = len(key) == 1 and not entry.is_keyed and not _has_index_of_key(connection, quoted)
    columns = [_sqlite_column(row, entry.sql, numbered=numbered) for row in rows if row[6] != 1]
    if entry.kind == "view":
        return Source((None, name), entry.kind, columns)
    return Source(
        place=(None, name),
        kind=entry.kind,
        columns=columns,
        key=key,
        foreign_keys=sqlite.foreign_keys(inspector, name),
        uniques=sqlite.unique_constraints(inspector, name),
        indexes=inspector.get_indexes(name),
        checks=inspector.get_check_constraints(name),
    )


def _has_index_of_key(connection: Any, quoted: str) -> bool:
    """Whether the key is a column beside the number of the row, as that of INTEGER PRIMARY KEY DESC is."""
    return any(row[3] == "pk" for row in connection.exec_driver_sql(f"PRAGMA main.index_list({quoted})"))


def _sqlite_column(row: Any, sql: str, *, numbered: bool) -> Mapping[str, Any]:
    """The rowid goes by the name of a lone key that is an INTEGER, to the letter."""
    _, name, declared, not_null, default, key, hidden = row
    return {
        "name": name,
        "type": sqlite_type(declared) if name else None,
        "refusal": None if name else "it has no name",
        "nullable": not not_null,
        "default": None if default is None or default.upper() == "NULL" else _as_default(default),
        "autoincrement": bool(key) and numbered and declared.upper() == "INTEGER",
        "computed": {"sqltext": _expression(name, sql), "persisted": hidden == 3} if hidden else None,
    }


_PLAIN_DEFAULT: Final = re.compile(r"'(?:[^']|'')*'|[+-]?[\w.]+|\(.*\)", re.DOTALL)


def _as_default(text: str) -> str:
    """SQLite reports an expression without the parentheses that it asks for."""
    return text if _PLAIN_DEFAULT.fullmatch(text) else f"({text})"


def _expression(column: str, sql: str) -> str:
    """The expression of a generated column, which only the text of CREATE TABLE has."""
    name = re.escape(column)
    start = re.search(rf"""["\[`\s(,]{name}["\]`\s][^,]*?\bAS\s*\(""", sql, re.IGNORECASE)
    # Without a text the column is computed all the same: nobody may send it.
    return _in_parentheses(sql[start.end() :]) if start else "NULL"


def _in_parentheses(text: str) -> str:
    """What stands before the parenthesis that closes an open one."""
    depth = 1
    for match in re.finditer(r"'[^']*'|[()]", text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return text[: match.start()].strip()
    return "NULL"
