"""What a query has to answer, in plain Python over lists of dicts; written without a look at the implementation."""

from __future__ import annotations

import datetime as dt
import operator
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

__all__ = ["OPERATORS_OF", "Column", "Entity", "Relation", "Through", "World", "answer", "spelt"]

Row: TypeAlias = Mapping[str, Any]
Document: TypeAlias = Mapping[str, Any]
Truth: TypeAlias = bool | None
"""None is unknown: something was compared with NULL."""

COMMON = ("eq", "ne", "in", "not_in", "isnull")
RANGES = ("gt", "gte", "lt", "lte", "between")
PATTERNS = ("contains", "startswith", "endswith", "icontains", "istartswith", "iendswith")
OPERATORS_OF: Mapping[str, tuple[str, ...]] = {
    "int": (*COMMON, *RANGES),
    "big": (*COMMON, *RANGES),
    "money": (*COMMON, *RANGES),
    "real": (*COMMON, *RANGES),
    "day": (*COMMON, *RANGES),
    "moment": (*COMMON, *RANGES),
    "word": (*COMMON, *RANGES, *PATTERNS),
    # Its order is the database's collation, so that only equality and patterns are the same everywhere.
    "text": (*COMMON, *PATTERNS),
    "flag": COMMON,
    "uid": COMMON,
}
READ: Mapping[str, Callable[[Any], Any]] = {
    "money": Decimal,
    "day": dt.date.fromisoformat,
    "moment": dt.datetime.fromisoformat,
    "uid": uuid.UUID,
}
COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda value, given: value in given,
    "not_in": lambda value, given: value not in given,
    "between": lambda value, given: given[0] <= value <= given[1],
    "contains": lambda value, given: given in value,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "icontains": lambda value, given: given.lower() in value.lower(),
    "istartswith": lambda value, given: value.lower().startswith(given.lower()),
    "iendswith": lambda value, given: value.lower().endswith(given.lower()),
}


@dataclass(frozen=True)
class Column:
    """A column of one of the kinds that `OPERATORS_OF` names."""

    name: str
    kind: str
    nullable: bool = False


@dataclass(frozen=True)
class Through:
    """A table between two others: its name, and its columns for either key."""

    table: str
    near: tuple[str, ...]
    far: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """A way from rows to rows: `near` columns equal `far` ones, of the target or by way of a table between."""

    name: str
    target: str
    many: bool
    near: tuple[str, ...]
    far: tuple[str, ...]
    through: Through | None = None


@dataclass(frozen=True)
class Entity:
    """A table: its columns and relations in the order of the model, and its key."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    relations: tuple[Relation, ...]

    def column(self, name: str) -> Column:
        return next(one for one in self.columns if one.name == name)

    def relation(self, name: str) -> Relation | None:
        return next((one for one in self.relations if one.name == name), None)


@dataclass(frozen=True)
class World:
    """Some tables with their rows; `rows` holds those of tables between, too."""

    entities: Mapping[str, Entity]
    rows: Mapping[str, Sequence[Row]]

    def behind(self, relation: Relation, row: Row) -> list[Row]:
        """The rows that a relation leads to from one row."""
        key, through = _values(row, relation.near), relation.through
        if None in key:
            return []
        keys = [key]
        if through is not None:
            keys = [
                _values(x, through.far) for x in self.rows[through.table] if _values(x, through.near) == key
            ]
        return [one for one in self.rows[relation.target] if _values(one, relation.far) in keys]


def answer(world: World, name: str, document: Document) -> dict[str, Any]:
    """All of an answer but the cursor: `items`, `total` where asked for, and whether there is `more`."""
    entity = world.entities[name]
    rows = _chosen(world, entity, world.rows[name], document)
    start = document.get("offset", 0)
    end = start + document.get("limit", 50)
    found = {
        "items": [_item(world, entity, row, document) for row in rows[start:end]],
        "more": len(rows) > end,
    }
    return {**found, "total": len(rows)} if "count" in document else found


def spelt(value: Any) -> Any:
    """A value in JSON."""
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def _values(row: Row, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


# Which rows, in which order.


def _chosen(world: World, entity: Entity, rows: Iterable[Row], document: Document) -> list[Row]:
    tree, order = document.get("filter", {}), document.get("order_by", [])
    kept = sorted(
        (row for row in rows if _holds(world, entity, row, tree)),
        key=lambda r: _values(r, entity.key),
        reverse=bool(order) and order[-1].startswith("-"),  # the key goes the way of the last term
    )
    # Sorts are stable: the last term first.
    for term in reversed(order):
        path = term.removeprefix("-").split("__")
        pairs = [(_reached(world, entity, row, path), row) for row in kept]
        known = sorted(
            (p for p in pairs if p[0] is not None), key=lambda p: p[0], reverse=term.startswith("-")
        )
        kept = [row for _, row in known] + [row for value, row in pairs if value is None]
    return kept


def _reached(world: World, entity: Entity, row: Row, path: Sequence[str]) -> Any:
    """The value at the end of a way through single rows; None where there is none."""
    relation = entity.relation(path[0])
    if relation is None:
        return row[path[0]]
    behind = world.behind(relation, row)
    return _reached(world, world.entities[relation.target], behind[0], path[1:]) if behind else None


def _holds(world: World, entity: Entity, row: Row, tree: Document) -> Truth:
    return _all([_member(world, entity, row, name, value) for name, value in tree.items()])


def _member(world: World, entity: Entity, row: Row, name: str, value: Any) -> Truth:
    if name in {"and", "or"}:
        parts = [_holds(world, entity, row, part) for part in value]
        return _all(parts) if name == "and" else _not(_all([_not(part) for part in parts]))
    if name == "not":
        return _not(_holds(world, entity, row, value))
    path = name.split("__")
    if isinstance(value, dict):
        return _any_behind(world, entity, row, path, lambda e, r: _holds(world, e, r, value))
    chosen = path.pop() if path[-1] in {*COMPARED, "isnull"} else "eq"
    return _any_behind(
        world, entity, row, path[:-1], lambda e, r: _compared(world, e, r, path[-1], chosen, value)
    )


def _any_behind(
    world: World, entity: Entity, row: Row, path: Sequence[str], test: Callable[[Entity, Row], Truth]
) -> Truth:
    """The test itself where the path is at its end; before that, whether any row passes it."""
    if not path:
        return test(entity, row)
    relation = entity.relation(path[0])
    assert relation is not None, f"{entity.name} has no {path[0]}"
    target = world.entities[relation.target]
    return any(_any_behind(world, target, one, path[1:], test) for one in world.behind(relation, row))


def _compared(world: World, entity: Entity, row: Row, name: str, chosen: str, given: Any) -> Truth:
    relation = entity.relation(name)
    if relation is not None:
        return (not world.behind(relation, row)) is given
    if chosen == "isnull":
        return (row[name] is None) is given
    if row[name] is None:
        return None
    read = READ.get(entity.column(name).kind, lambda one: one)
    return COMPARED[chosen](
        row[name], [read(one) for one in given] if isinstance(given, list) else read(given)
    )


def _not(part: Truth) -> Truth:
    return None if part is None else not part


def _all(parts: Sequence[Truth]) -> Truth:
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


# What of them.


def _item(world: World, entity: Entity, row: Row, document: Document) -> dict[str, Any]:
    own, nested = _shape(document)
    item = {c.name: spelt(row[c.name]) for c in entity.columns if own is None or c.name in own}
    for relation in entity.relations:
        if relation.name in nested:
            item[relation.name] = _shown_behind(world, relation, row, nested[relation.name])
    return item


def _shown_behind(world: World, relation: Relation, row: Row, document: Document) -> Any:
    target = world.entities[relation.target]
    rows = _chosen(world, target, world.behind(relation, row), document)[: document.get("limit")]
    items = [_item(world, target, one, document) for one in rows]
    return items if relation.many else next(iter(items), None)


def _shape(document: Document) -> tuple[list[str] | None, dict[str, dict[str, Any]]]:
    """The fields of the row itself (None: all), and what is asked of each relation."""
    given = document.get("expand", {})
    nested: dict[str, dict[str, Any]] = {}
    if isinstance(given, list):
        for path in given:
            name, _, rest = path.partition(".")
            inner = nested.setdefault(name, {}).setdefault("expand", [])
            inner.extend([rest] if rest else [])
    else:
        nested = {name: dict(one) for name, one in given.items()}
    own: list[str] | None = None if "fields" not in document else []
    for field in document.get("fields", []):
        name, _, rest = field.partition(".")
        if rest:
            inner = nested.setdefault(name, {})
            inner["fields"] = [*inner.get("fields", []), rest]
        elif own is not None:
            own.append(name)
    return own, nested
