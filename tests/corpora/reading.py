"""Reading all of a database through the API, and saying what differs from the database itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from tests.corpora.served import Served
from tests.corpora.stored import ForeignKey, Stored

__all__ = ["broken_references", "misread", "page", "unfound"]

Item: TypeAlias = dict[str, Any]
Names: TypeAlias = Mapping[str, str]

LARGEST_PAGE = 1_000
SMALL_TABLE = 60
SMALL_PAGE = 7
FEW = 4
MANY = 20
AT_MOST = 400
"""Values that one query may compare, and some to spare."""
LONGEST = 200
"""Characters of a value that is put into an address."""


def misread(served: Served, database: Mapping[str, Stored], hidden: frozenset[str]) -> list[str]:
    """What the API shows otherwise than the database holds, in every table and view; nothing, if all is well.

    Args:
        served: The application.
        database: What it should show.
        hidden: Tables and columns (`table.column`) that it should not show.
    """
    return [fault for table in database.values() for fault in misread_table(served, table, hidden)]


def misread_table(served: Served, table: Stored, hidden: frozenset[str]) -> Iterator[str]:
    if (table.name in hidden) == (table.name in served.resources):
        yield f"{table.name} is {'' if table.name in served.resources else 'not '}served"
    if table.name not in served.resources:
        return
    names, kept = served.names(table.name), [c for c in table.columns if f"{table.name}.{c}" not in hidden]
    items = list(walk(served, table.name, LARGEST_PAGE))
    yield from unshown(table, items, names, kept)
    yield from differences(table, items, {column: names[column] for column in kept if column in names})
    yield from miscounted(served, table)
    if len(table.rows) <= SMALL_TABLE and list(walk(served, table.name, SMALL_PAGE)) != items:
        yield f"{table.name}: small pages hold other rows than large ones"


def unshown(table: Stored, items: Sequence[Item], names: Names, kept: Sequence[str]) -> Iterator[str]:
    """Columns that are not shown although they should be, or the other way round."""
    shown = set(items[0]) if items else {names[column] for column in kept if column in names}
    for column in table.columns:
        if (column in kept) != (names.get(column) in shown):
            yield f"{table.name}.{column} is {'not ' if column in kept else ''}shown"


def differences(table: Stored, items: Sequence[Item], names: Names) -> Iterator[str]:
    """Rows that only one side has."""
    shown, stored = table.texts_of(items, names), table.texts(list(names))
    for text in list(shown - stored)[:3]:
        yield f"{table.name}: only the API has {text[:500]}"
    for text in list(stored - shown)[:3]:
        yield f"{table.name}: only the database has {text[:500]}"


def miscounted(served: Served, table: Stored) -> Iterator[str]:
    total = page(served, f"{served.path(table.name)}?limit=1&count=exact")["total"]
    if total != len(table.rows):
        yield f"{table.name}: total is {total}, but there are {len(table.rows)} rows"


def walk(served: Served, table: str, limit: int, **values: Sequence[Any]) -> Iterator[Item]:
    """The rows of all pages, as the links lead from one to the next."""
    first = served.client.build_request(
        "GET", served.path(table), params={"limit": limit, **{n: list(v) for n, v in values.items()}}
    )
    address: str | None = str(first.url)
    while address is not None:
        answer = served.client.get(address)
        assert answer.status_code == 200, f"{address[:200]}: {answer.text[:500]}"
        items = answer.json()["items"]
        assert len(items) <= limit, f"{address[:200]}: {len(items)} rows"
        yield from items
        address = answer.links.get("next", {}).get("url")


def page(served: Served, address: str) -> dict[str, Any]:
    found: dict[str, Any] = served.client.get(address).json()
    return found


def broken_references(served: Served, database: Mapping[str, Stored], hidden: frozenset[str]) -> list[str]:
    """Foreign keys that lead elsewhere through the API than in the database, or not back; nothing, if all are well."""
    return [
        f"{table.name}.{reference.column}: {fault}"
        for table in database.values()
        for reference in table.foreign_keys
        if {table.name, reference.table}.isdisjoint(hidden) and references(table, reference)
        for fault in [
            *unreachable(served, table, reference),
            *unequal_parents(served, table, reference),
            *unequal_children(served, table, reference),
        ]
    ]


def unreachable(served: Served, table: Stored, reference: ForeignKey) -> Iterator[str]:
    """Rows referred to that have no address of their own; some of them, from the first to the last."""
    for value in spread(references(table, reference), FEW):
        answer = served.client.get(served.path(reference.table, value))
        name = served.names(reference.table)[reference.target]
        if answer.status_code != 200 or answer.json()[name] != value:
            yield f"{answer.url} is {answer.status_code}"


def unequal_parents(served: Served, table: Stored, reference: ForeignKey) -> Iterator[str]:
    """Rows referred to that a filter for many of them does not find."""
    name, values = served.names(reference.table)[reference.target], references(table, reference)
    wanted = spread(values, AT_MOST)
    found = [item[name] for item in walk(served, reference.table, LARGEST_PAGE, **{name: wanted})]
    if sorted(found) != sorted(wanted):
        yield f"of {len(wanted)} rows of {reference.table} the filter finds {len(found)}"


def unequal_children(served: Served, table: Stored, reference: ForeignKey) -> Iterator[str]:
    """The rows that refer to one, and those that refer to any of many: the first of them, and how many there are."""
    name, values = served.names(table.name)[reference.column], references(table, reference)
    stored = Counter(value for value in table.column(reference.column) if value is not None)
    for wanted in [*([value] for value in spread(values, FEW)), spread(values, MANY)]:
        query: dict[str, Any] = {name: wanted, "limit": LARGEST_PAGE, "count": "exact"}
        answer = served.client.get(served.path(table.name), params=query).json()
        total, others = answer["total"], {item[name] for item in answer["items"]} - set(wanted)
        if others or total != sum(stored[value] for value in wanted):
            yield f"the filter for {wanted} finds {total} rows, also of {others}"


def references(table: Stored, reference: ForeignKey) -> list[Any]:
    """Each value once, in an order that is the same every time."""
    return sorted({value for value in table.column(reference.column) if value is not None}, key=json.dumps)


def spread(values: Sequence[Any], count: int) -> Sequence[Any]:
    """No more than so many of the values, from the first to the last."""
    return values[:: -(-len(values) // count) or 1]


def unfound(served: Served, database: Mapping[str, Stored], hidden: frozenset[str]) -> list[str]:
    """Values that are shown, but that a filter for them does not find; nothing, if all are found."""
    return [
        f"{table.name}.{column}: {fault}"
        for table in database.values()
        if table.name not in hidden
        for column, value in samples(served, table, hidden)
        for fault in unfound_by(served, table, column, value)
    ]


def samples(served: Served, table: Stored, hidden: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """One value of each column, as an answer shows it."""
    items = page(served, served.path(table.name))["items"]
    for column, name in served.names(table.name).items():
        if f"{table.name}.{column}" not in hidden:
            fitting = [item[name] for item in items if fits_an_address(item[name])]
            yield from ((column, value) for value in fitting[-1:])


def unfound_by(served: Served, table: Stored, column: str, value: Any) -> Iterator[str]:
    """How many rows have a value is known; so many a filter for it should find."""
    level, name = table.columns[column].level, served.names(table.name)[column]
    wanted = sum(level(one) == level(value) for one in table.column(column))
    text = value if isinstance(value, str) else json.dumps(value)
    query: dict[str, Any] = {f"{name}__eq": text, "limit": 1, "count": "exact"}
    answer = served.client.get(served.path(table.name), params=query)
    if answer.status_code != 200 or answer.json()["total"] != wanted:
        yield f"{wanted} rows have {text!r}, the filter answers {answer.status_code}: {answer.text[:300]}"


def fits_an_address(value: Any) -> bool:
    return isinstance(value, str | int | float) and len(str(value)) <= LONGEST
