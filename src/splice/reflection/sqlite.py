"""Constraints of SQLite as SQLite itself has them; SQLAlchemy finds some of their parts in the text of CREATE TABLE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.engine.reflection import Inspector

__all__ = ["foreign_keys", "unique_constraints"]


def foreign_keys(inspector: Inspector, table: str) -> list[Mapping[str, Any]]:
    """As SQLAlchemy gives them, with what happens on update and delete: of `x INT REFERENCES t` it reads none of it."""
    actions = dict(_actions(_asked(inspector, "foreign_key_list", table)))
    return [
        {**found, "options": {**found.get("options", {}), **actions.get(_place(found), {})}}
        for found in inspector.get_foreign_keys(table)
    ]


def _place(found: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return found["referred_table"].lower(), tuple(found["constrained_columns"])


def _actions(rows: Sequence[Any]) -> Iterator[tuple[tuple[str, tuple[str, ...]], dict[str, str]]]:
    for number in {row[0] for row in rows}:
        parts = sorted((row for row in rows if row[0] == number), key=lambda row: row[1])
        _, _, table, _, _, on_update, on_delete, _ = parts[0]
        said = {"onupdate": on_update, "ondelete": on_delete}
        columns = tuple(row[3] for row in parts)
        yield (table.lower(), columns), {when: what for when, what in said.items() if what != "NO ACTION"}


def unique_constraints(inspector: Inspector, table: str) -> list[Mapping[str, Any]]:
    """As SQLAlchemy gives them, and those that it overlooks, such as that of `email TEXT NOT NULL UNIQUE`."""
    named: list[Mapping[str, Any]] = [*inspector.get_unique_constraints(table)]
    known = {tuple(found["column_names"]) for found in named}
    indexes = [row[1] for row in _asked(inspector, "index_list", table) if row[3] == "u"]
    columns = [tuple(row[2] for row in _asked(inspector, "index_info", index)) for index in indexes]
    return [*named, *({"name": None, "column_names": [*kept]} for kept in columns if kept not in known)]


def _asked(inspector: Inspector, pragma: str, name: str) -> Sequence[Any]:
    connection: Any = inspector.bind
    quoted = inspector.dialect.identifier_preparer.quote_identifier(name)
    rows: Sequence[Any] = connection.exec_driver_sql(f"PRAGMA main.{pragma}({quoted})").all()
    return rows
