"""What autogenerate has found, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

__all__ = ["differences"]


def differences(found: Iterable[Any]) -> Iterator[str]:
    """Each difference on a line: what the models have that the database lacks, or the other way round."""
    for item in found:
        parts = item if isinstance(item, list) else [item]
        yield from map(_sentence, parts)


def _sentence(item: Any) -> str:
    kind, *rest = item
    say = _SENTENCES.get(kind)
    return f"{kind}: {', '.join(map(str, rest))}" if say is None else say(rest)


def _table(rest: list[Any]) -> str:
    return _name(rest[0].schema, rest[0].name)


def _name(schema: str | None, *parts: str) -> str:
    return ".".join(str(part) for part in (schema, *parts) if part)


def _column(rest: list[Any]) -> str:
    return _name(rest[0], rest[1], rest[2].name)


def _made(rest: list[Any]) -> str:
    made = rest[0]
    kind = type(made).__name__.removesuffix("Constraint").replace("ForeignKey", "foreign key").lower()
    columns = ", ".join(column.name for column in getattr(made, "columns", ()))
    name = f" {made.name}" if made.name else ""
    return f"{kind}{name} of {_name(made.table.schema, made.table.name)}" + (
        f" ({columns})" if columns else ""
    )


def _changed(rest: list[Any]) -> str:
    return _name(rest[0], rest[1], rest[2])


def _or_none(value: Any) -> str:
    argument = getattr(value, "arg", value)
    return "none" if value is None or value is False else str(getattr(argument, "text", argument))


_SENTENCES: Final[Mapping[str, Callable[[list[Any]], str]]] = MappingProxyType(
    {
        "add_table": lambda rest: f"the database lacks the table {_table(rest)}",
        "remove_table": lambda rest: f"the models lack the table {_table(rest)}",
        "add_column": lambda rest: f"the database lacks the column {_column(rest)}",
        "remove_column": lambda rest: f"the models lack the column {_column(rest)}",
        "add_index": lambda rest: f"the database lacks the {_made(rest)}",
        "remove_index": lambda rest: f"the models lack the {_made(rest)}",
        "add_constraint": lambda rest: f"the database lacks the {_made(rest)}",
        "remove_constraint": lambda rest: f"the models lack the {_made(rest)}",
        "add_fk": lambda rest: f"the database lacks the {_made(rest)}",
        "remove_fk": lambda rest: f"the models lack the {_made(rest)}",
        "add_enum": lambda rest: f"the database lacks the type {rest[0]}",
        "remove_enum": lambda rest: f"the models lack the type {rest[0]}",
        "execute": lambda rest: f"the database lacks: {rest[0]}",
        "modify_nullable": lambda rest: (
            f"{_changed(rest)} is {'nullable' if rest[-1] else 'NOT NULL'} in the models, not so in the database"
        ),
        "modify_type": lambda rest: (
            f"{_changed(rest)} is {rest[-1]!r} in the models, {rest[-2]!r} in the database"
        ),
        "modify_default": lambda rest: (
            f"{_changed(rest)} has the server default {_or_none(rest[-1])} in the models, {_or_none(rest[-2])} in the "
            "database"
        ),
        "modify_comment": lambda rest: f"{_changed(rest)} has another comment in the models",
        "add_table_comment": lambda rest: f"{_table(rest)} has another comment in the models",
        "remove_table_comment": lambda rest: f"{_table(rest)} has a comment that the models lack",
    }
)
