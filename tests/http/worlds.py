"""Models, rows and queries that nobody has chosen: strategies for the oracle's worlds, and their mapping to tables."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import string
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, mapped_column, relationship

from tests.http.oracle import OPERATORS_OF, Column, Entity, Relation, Row, Through, World, spelt

__all__ = ["documents", "filters", "mapped", "worlds"]

NASTY = [
    *"abABkzZ0 ",
    "ä",
    "Ä",
    "é",
    "ß",
    "ж",
    "'",
    '"',
    "\\",
    "%",
    "_",
    "*",
    "[",
    "]",
    "?",
    "~",
    "#",
    "😀",
    "🙂",
    "\n",
]
"""What text is made of: letters in both cases, all that some LIKE or GLOB takes for more than itself."""

TYPES: Mapping[str, sa.types.TypeEngine[Any]] = {
    "int": sa.Integer(),
    "big": sa.BigInteger(),
    "money": sa.Numeric(10, 2),
    "real": sa.Double(),
    "day": sa.Date(),
    "moment": sa.DateTime(),
    "word": sa.String(12),
    "text": sa.String(40),
    "flag": sa.Boolean(),
    "uid": sa.Uuid(),
}
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-3, 3) | st.sampled_from([-(2**31), 2**31 - 1]),
    "big": st.integers(-3, 3) | st.sampled_from([-(2**63), 2**63 - 1, 2**53 + 1]),
    "money": st.decimals(-9, 9, places=2) | st.decimals("-99999999.99", "99999999.99", places=2),
    "real": st.sampled_from([0.0, 0.1, -1.5, 1e300, -1e-300, 123456789.125, 1 / 3]),
    "day": st.dates(dt.date(1000, 1, 1)),
    "moment": st.datetimes(dt.datetime(1000, 1, 1)),
    # Of lower-case letters alone, which every collation puts in the same order.
    "word": st.text(string.ascii_lowercase[:4], min_size=1, max_size=5),
    "text": st.text(st.sampled_from(NASTY), max_size=6),
    "flag": st.booleans(),
    "uid": st.uuids(version=4),
}
PIECES = st.text(st.sampled_from(NASTY), max_size=2)
SORTABLE = frozenset(VALUES) - {"text", "uid"}
NAMES = ("ants", "bees", "cats")
KEYS = (
    (Column("id", "int"),),
    (Column("code", "word"),),
    (Column("left", "int"), Column("right", "word")),
)


# Models and rows.


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Three tables: each refers to the one before, one to itself; the outer two are linked by a table between."""
    names = draw(st.permutations(NAMES))
    keys = {name: draw(st.sampled_from(KEYS)) for name in names}
    looped = draw(st.sampled_from(names))
    columns = {name: [*keys[name], *draw(scalars())] for name in names}
    relations: dict[str, list[Relation]] = {name: [] for name in names}

    def refer(child: str, parent: str, there: str, back: str) -> None:
        far = tuple(column.name for column in keys[parent])
        near = tuple(f"{there}_{name}" for name in far)
        nullable = child == parent or draw(st.booleans())
        columns[child] += [
            Column(n, c.kind, nullable=nullable) for n, c in zip(near, keys[parent], strict=True)
        ]
        relations[child].append(Relation(there, parent, many=False, near=near, far=far))
        relations[parent].append(Relation(back, child, many=True, near=far, far=near))

    for parent, child in itertools.pairwise(names):
        refer(child, parent, "owner", "owned")
    refer(looped, looped, "parent", "children")
    between(names[0], names[2], keys, relations)
    entities = {
        name: Entity(
            name, tuple(columns[name]), tuple(column.name for column in keys[name]), tuple(relations[name])
        )
        for name in names
    }
    return World(entities, draw(rows(entities)))


@st.composite
def scalars(draw: st.DrawFn) -> list[Column]:
    """Columns of any kind; text is always among them."""
    kinds = ["text", *draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=2, max_size=4))]
    return [Column(f"{kind}_{n}", kind, nullable=draw(st.booleans())) for n, kind in enumerate(kinds)]


def between(
    left: str,
    right: str,
    keys: Mapping[str, Sequence[Column]],
    relations: Mapping[str, list[Relation]],
) -> None:
    """Relate two tables, many to many."""
    near = tuple(f"l_{column.name}" for column in keys[left])
    far = tuple(f"r_{column.name}" for column in keys[right])
    ends = [tuple(column.name for column in keys[name]) for name in (left, right)]
    relations[left].append(Relation("linked", right, True, ends[0], ends[1], Through("links", near, far)))
    relations[right].append(Relation("linked", left, True, ends[1], ends[0], Through("links", far, near)))


@st.composite
def rows(draw: st.DrawFn, entities: Mapping[str, Entity]) -> dict[str, list[Row]]:
    """Rows with ties, NULLs, and references to rows that are there."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    found: dict[str, list[Row]] = {}
    for entity in entities.values():
        pools = {column.name: draw(pool(column.kind)) for column in entity.columns}
        found[entity.name] = []
        for _ in range(chance.randint(12, 25)):
            row = {c.name: _value(c, pools[c.name], chance) for c in entity.columns}
            if tuple(row[n] for n in entity.key) not in _keys(entity, found):
                _refer(entity, row, found, chance)
                found[entity.name].append(row)
    found["links"] = _links(entities, found, chance)
    return found


@st.composite
def pool(draw: st.DrawFn, kind: str) -> list[Any]:
    """Few values, so that rows agree in them; texts also in their other letter case, and with a space behind."""
    found = draw(st.lists(VALUES[kind], min_size=4, max_size=7))
    return [*found, *(one.swapcase() for one in found), f"{found[0]} "] if kind == "text" else found


def _value(column: Column, pool: Sequence[Any], chance: random.Random) -> Any:
    return None if column.nullable and chance.random() < 0.25 else chance.choice(pool)


def _keys(entity: Entity, found: Mapping[str, Sequence[Row]]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in entity.key) for row in found[entity.name]]


def _refer(
    entity: Entity, row: dict[str, Any], found: Mapping[str, Sequence[Row]], chance: random.Random
) -> None:
    """Have the columns of references hold keys of rows, or nothing."""
    for relation in entity.relations:
        if relation.many:
            continue
        rows, nullable = found[relation.target], entity.column(relation.near[0]).nullable
        chosen = None if not rows or (nullable and chance.random() < 0.3) else chance.choice(rows)
        row.update({n: chosen and chosen[f] for n, f in zip(relation.near, relation.far, strict=True)})


def _links(
    entities: Mapping[str, Entity], found: Mapping[str, Sequence[Row]], chance: random.Random
) -> list[Row]:
    """Rows of the table between, each once."""
    first, _, last = entities.values()
    pairs = list(itertools.product(found[first.name], found[last.name]))
    return [
        {
            **{f"l_{name}": left[name] for name in first.key},
            **{f"r_{name}": right[name] for name in last.key},
        }
        for left, right in chance.sample(pairs, min(20, len(pairs)))
    ]


# The same as mapped classes.


def mapped(world: World) -> tuple[type[DeclarativeBase], dict[str, type[Any]]]:
    """Classes of SQLAlchemy for the tables of a world."""
    base = type("Base", (DeclarativeBase,), {})
    link_table(world, base.metadata)
    classes = {entity.name: _class(base, entity) for entity in world.entities.values()}
    base.registry.configure()
    return base, classes


def link_table(world: World, metadata: sa.MetaData) -> sa.Table:
    """The table between the first and the last."""
    first, _, last = world.entities.values()
    columns, constraints = [], []
    for prefix, entity in (("l_", first), ("r_", last)):
        near = [f"{prefix}{name}" for name in entity.key]
        columns += [
            sa.Column(n, TYPES[entity.column(k).kind], primary_key=True)
            for n, k in zip(near, entity.key, strict=True)
        ]
        constraints.append(sa.ForeignKeyConstraint(near, [f"{entity.name}.{name}" for name in entity.key]))
    return sa.Table("links", metadata, *columns, *constraints)


def _class(base: type[DeclarativeBase], entity: Entity) -> type[Any]:
    references = [
        sa.ForeignKeyConstraint(list(one.near), [f"{one.target}.{name}" for name in one.far])
        for one in entity.relations
        if not one.many
    ]
    body: dict[str, Any] = {"__tablename__": entity.name, "__table_args__": tuple(references)}
    for column in entity.columns:
        body[column.name] = mapped_column(
            TYPES[column.kind],
            nullable=column.nullable,
            primary_key=column.name in entity.key,
            autoincrement=False,
        )
    for relation in entity.relations:
        body[relation.name] = _relationship(entity, relation)
    return type(entity.name.capitalize(), (base,), body)


def _relationship(entity: Entity, relation: Relation) -> Any:
    target = relation.target.capitalize()
    if relation.through is not None:
        return relationship(target, secondary=relation.through.table, back_populates="linked")
    back = {"owner": "owned", "owned": "owner", "parent": "children", "children": "parent"}[relation.name]
    owner, columns = (target, relation.far) if relation.many else (entity.name.capitalize(), relation.near)
    remote = f"[{', '.join(f'{target}.{name}' for name in relation.far)}]"
    return relationship(
        target,
        foreign_keys=f"[{', '.join(f'{owner}.{name}' for name in columns)}]",
        remote_side=remote,
        back_populates=back,
    )


# Queries.


@st.composite
def documents(draw: st.DrawFn, world: World, name: str, depth: int = 2) -> dict[str, Any]:
    """Any query of the rows of a table, as a JSON document; below the top it is one of an expanded relation."""
    entity = world.entities[name]
    said = draw(st.sets(st.sampled_from(["filter", "order_by", "limit", "fields", "expand"])))
    document: dict[str, Any] = {}
    if "filter" in said:
        document["filter"] = draw(filters(world, name))
    if "order_by" in said:
        document["order_by"] = draw(st.lists(orders(world, name), min_size=1, max_size=3))
    if "limit" in said:
        document["limit"] = draw(st.integers(1, 9))
    if "fields" in said:
        fields = [column.name for column in entity.columns]
        document["fields"] = draw(st.lists(st.sampled_from(fields), min_size=1, unique=True))
    if "expand" in said and depth:
        document["expand"] = draw(expansions(world, entity, depth - 1))
    return document


@st.composite
def expansions(draw: st.DrawFn, world: World, entity: Entity, depth: int) -> dict[str, Any]:
    """Some relations, with what is asked of each; of one to a single row only what is shown."""
    chosen = draw(
        st.lists(st.sampled_from(entity.relations), min_size=1, max_size=2, unique_by=lambda one: one.name)
    )
    found = {}
    for relation in chosen:
        document = draw(documents(world, relation.target, depth))
        kept = set(document) if relation.many else {"fields", "expand"} & set(document)
        found[relation.name] = {name: document[name] for name in document if name in kept}
    return found


@st.composite
def orders(draw: st.DrawFn, world: World, name: str) -> str:
    """A sort term, by a column of the row itself or of a single row beyond it."""
    sign, path, entity = draw(st.sampled_from(["", "-"])), [], world.entities[name]
    single = [relation for relation in entity.relations if not relation.many]
    while single and len(path) < 2 and draw(st.booleans()):
        relation = draw(st.sampled_from(single))
        path.append(relation.name)
        entity = world.entities[relation.target]
        single = [one for one in entity.relations if not one.many]
    column = draw(st.sampled_from([one.name for one in entity.columns if one.kind in SORTABLE]))
    return sign + "__".join([*path, column])


@st.composite
def filters(draw: st.DrawFn, world: World, name: str, depth: int = 3) -> dict[str, Any]:
    """A tree of conditions."""
    kind = draw(st.sampled_from(["leaf", "leaf", "and", "or", "not", "related"] if depth else ["leaf"]))
    inner = filters(world, name, depth - 1)
    if kind == "not":
        return {"not": draw(inner)}
    if kind in {"and", "or"}:
        return {kind: draw(st.lists(inner, min_size=1, max_size=2))}
    if kind == "related":
        relation = draw(st.sampled_from(world.entities[name].relations))
        return {relation.name: draw(filters(world, relation.target, depth - 1))}
    leaves = draw(st.lists(conditions(world, name), min_size=1, max_size=2))
    return {path: value for leaf in leaves for path, value in leaf.items()}


@st.composite
def conditions(draw: st.DrawFn, world: World, name: str) -> dict[str, Any]:
    """A comparison of one field, of the row itself or of rows beyond it."""
    path, entity = [], world.entities[name]
    while len(path) < 2 and draw(st.integers(0, 2)) == 0:
        relation = draw(st.sampled_from(entity.relations))
        if draw(st.integers(0, 3)) == 0:
            return {"__".join([*path, relation.name, "isnull"]): draw(st.booleans())}
        path.append(relation.name)
        entity = world.entities[relation.target]
    column = draw(st.sampled_from(entity.columns))
    chosen = draw(st.sampled_from(OPERATORS_OF[column.kind]))
    spelling = (
        [*path, column.name] if chosen == "eq" and draw(st.booleans()) else [*path, column.name, chosen]
    )
    return {"__".join(spelling): draw(values(world, entity, column, chosen))}


@st.composite
def values(draw: st.DrawFn, world: World, entity: Entity, column: Column, chosen: str) -> Any:
    """What to compare a column with: mostly something that is there."""
    if chosen == "isnull":
        return draw(st.booleans())
    there = [row[column.name] for row in world.rows[entity.name] if row[column.name] is not None]
    value = (st.sampled_from(there) | VALUES[column.kind]) if there else VALUES[column.kind]
    if chosen in {"in", "not_in"}:
        return [spelt(one) for one in draw(st.lists(value, min_size=1, max_size=4))]
    if chosen == "between":
        return [spelt(one) for one in draw(st.tuples(value, value))]
    if "with" in chosen or "contains" in chosen:
        return draw(pieces(value, chosen))
    return spelt(draw(value))


@st.composite
def pieces(draw: st.DrawFn, value: st.SearchStrategy[str], chosen: str) -> str:
    """A part of a text, or anything else in another letter case."""
    if chosen.startswith("i") and draw(st.booleans()):
        return draw(PIECES)
    text = draw(value)
    start = draw(st.integers(0, len(text)))
    piece = text[start : draw(st.integers(start, len(text)))]
    return piece.swapcase() if draw(st.booleans()) else piece
