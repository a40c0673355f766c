"""Foreign keys of SQLite that refer to nothing: it takes them as they are declared, and refuses what would follow one.

Source: section 3 of https://www.sqlite.org/foreignkeys.html.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from splice.reflection.models import Command
from splice.reflection.sources import Source

__all__ = ["barred"]

_OF_CHILD: Final[tuple[Command, ...]] = ("INSERT", "UPDATE", "DELETE")
_OF_PARENT: Final[tuple[Command, ...]] = ("UPDATE", "DELETE")


def barred(sources: Sequence[Source]) -> list[Source]:
    """The same sources, with the commands that fail because of such a key, at either end of it."""
    tables = {source.place[1].lower(): source for source in sources if source.kind == "table"}
    found: dict[str, dict[Command, str]] = defaultdict(dict)
    for source in tables.values():
        for key in source.foreign_keys:
            why = _fault(key, tables)
            if why is not None:
                parent, child = key["referred_table"].lower(), source.place[1].lower()
                found[parent] = {**dict.fromkeys(_OF_PARENT, f"{source.place[1]}.{why}"), **found[parent]}
                found[child] |= dict.fromkeys(_OF_CHILD, why)
    return [replace(source, barred=found.get(source.place[1].lower(), {})) for source in sources]


def _fault(key: Mapping[str, Any], tables: Mapping[str, Source]) -> str | None:
    """What is wrong with a foreign key; nothing that could be seen, where the other table was not looked at."""
    parent = tables.get(key["referred_table"].lower())
    columns = ", ".join(key["constrained_columns"])
    if parent is None:
        return f"{columns} refers to {key['referred_table']}, and there is no such table"
    wanted = [name.lower() for name in key["referred_columns"]]
    if parent.refusal is not None or any(sorted(wanted) == sorted(unique) for unique in _unique_in(parent)):
        return None
    return f"{columns} refers to {', '.join(key['referred_columns'])} of {parent.place[1]}, which is not unique there"


def _unique_in(table: Source) -> Iterator[list[str]]:
    yield [name.lower() for name in table.key]
    for rule in table.uniques:
        yield [name.lower() for name in rule["column_names"]]
    for index in table.indexes:
        partial = (index.get("dialect_options") or {}).get("sqlite_where") is not None
        if index["unique"] and not partial and all(index["column_names"]):
            yield [name.lower() for name in index["column_names"]]
