"""Test → SQL: each operator means the same on every database, and leaves the index in use where there is one.

Equality and the patterns with letter case are exact, whatever collation a column has; order comparisons follow it, as
ORDER BY does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import aliased
from sqlalchemy.orm import join as orm_join
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnElement

from splice.description import Description, Field
from splice.keyset import stored_as
from splice.reads import ChildOf, Compare, Custom, Either, Every, Exists, KeyIs, Negation, Test

__all__ = ["Entity", "adapted", "attribute", "is_key", "where"]

Entity: TypeAlias = Any
"""A mapped class, or an alias of it."""

_Column: TypeAlias = ColumnElement[Any]
_Condition: TypeAlias = ColumnElement[bool]

_MARIADB: Final = frozenset({"mariadb", "mysql"})

_BINARY_COLLATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"mariadb": "utf8mb4_nopad_bin", "mysql": "utf8mb4_0900_bin", "sqlite": "BINARY", "postgresql": "C"}
)
"""Exact and without padding: by default 'ada' = 'ÁDA ' on MariaDB."""

_LIKE_ESCAPE: Final = "/"
"""On MariaDB, where a mode of the server takes its meaning from the backslash."""


def where(test: Test, description: Description, entity: Entity, dialect: str) -> list[_Condition]:
    """The conditions of a test, all of which hold; none where it always does.

    Args:
        test: What rows are asked for.
        description: The model of the rows.
        entity: That model, or the alias of it under which the statement reads the rows.
        dialect: Which database it is.
    """
    if isinstance(test, Every):
        return [clause for part in test.parts for clause in where(part, description, entity, dialect)]
    return [_condition(test, description, entity, dialect)]


def is_key(description: Description, entity: Entity, key: Sequence[Any], dialect: str) -> list[_Condition]:
    """The row of exactly this key."""
    pairs = zip(description.key, key, strict=True)
    return [_equal(attribute(entity, field), field, value, dialect) for field, value in pairs]


def attribute(entity: Entity, field: Field) -> _Column:
    """The column of a field, as the entity knows it."""
    column: _Column = getattr(entity, field.name)
    return column


def adapted(clause: _Column, entity: Entity) -> _Column:
    """An expression over the columns of a model, moved to the alias that a statement reads instead of it.

    Subqueries inside are moved as well: what they say of the row outside is said of the alias. Other aliases of the
    same table stay what they are.
    """
    inspected = sa.inspect(entity)
    if not inspected.is_aliased_class:
        return clause
    tables, alias = frozenset(inspected.mapper.tables), inspected.selectable

    def replace(element: Any, **_: Any) -> Any:
        if isinstance(element, sa.Alias):
            return element
        if isinstance(element, sa.Table):
            return alias if element in tables else None
        if isinstance(element, sa.Column):
            return alias.corresponding_column(element) if element.table in tables else element
        return None

    moved = visitors.replacement_traverse(clause, {}, replace)
    tied: _Column = visitors.cloned_traverse(moved, {}, {"select": partial(_tie, alias=alias)})
    return tied


def _tie(select: sa.Select[Any], alias: sa.FromClause) -> None:
    """Let a subquery of several tables speak of the alias outside, and of nothing else: the others are its own.

    One of a single table is left alone, as SQLAlchemy does.
    """
    undecided = select._auto_correlate and not select._correlate  # noqa: SLF001  # told nowhere else
    if undecided and len(select.get_final_froms()) > 1:
        select.correlate.non_generative(select, alias)  # type: ignore[attr-defined]  # in place, on the clone


def _condition(test: Test, description: Description, entity: Entity, dialect: str) -> _Condition:
    match test:
        case Compare():
            return _compare(attribute(entity, test.field), test, dialect)
        case Custom():
            return adapted(test.build(test.value), entity)
        case Every() | Either() | Negation():
            return _combined(test, description, entity, dialect)
        case Exists():
            return _exists(test, entity, dialect)
        case KeyIs():
            return sa.and_(*is_key(description, entity, test.values, dialect))
        case _:
            return _child_of(test, description, entity, dialect)


def _combined(
    test: Every | Either | Negation, description: Description, entity: Entity, dialect: str
) -> _Condition:
    inner = partial(_condition, description=description, entity=entity, dialect=dialect)
    if isinstance(test, Negation):
        return sa.not_(inner(test.part))
    if isinstance(test, Either):
        return sa.or_(sa.false(), *map(inner, test.parts))
    return sa.and_(sa.true(), *map(inner, test.parts))


def _exists(test: Exists, entity: Entity, dialect: str) -> _Condition:
    other = aliased(test.target.model, flat=True)
    relation = getattr(entity, test.link.name).of_type(other)
    if sa.inspect(test.target.model).single and relation.property.secondary is None:
        return _exists_in_shared_table(test, entity, other, dialect)
    reached: Callable[..., _Condition] = relation.any if test.link.many else relation.has
    return reached(*_joined(where(test.part, test.target, other, dialect)))


def _exists_in_shared_table(test: Exists, entity: Entity, other: Entity, dialect: str) -> _Condition:
    """That of a subclass in its parent's table, which `has` and `any` would tell by the table instead of the alias."""
    behind: Any = orm_join(entity, other, getattr(entity, test.link.name).of_type(other)).onclause
    rows = sa.select(sa.literal(1)).select_from(other)
    return sa.exists(rows.where(behind, *where(test.part, test.target, other, dialect)))


def _joined(clauses: list[_Condition]) -> list[_Condition]:
    return [sa.and_(*clauses)] if clauses else []


def _child_of(test: ChildOf, description: Description, entity: Entity, dialect: str) -> _Condition:
    key = {field.name: value for field, value in zip(test.parent.key, test.key, strict=True)}
    is_text = any(isinstance(field.stored_type, sa.String) for field in test.parent.key)
    if test.link.pairs and not is_text and all(local in key for local, _ in test.link.pairs):
        # Of text another spelling might be equal to the database, by which no parent is found.
        return sa.and_(*(getattr(entity, remote) == key[local] for local, remote in test.link.pairs))
    parent, child = aliased(test.parent.model, flat=True), aliased(description.model, flat=True)
    keys = (
        sa.select(*(attribute(child, field) for field in description.key))
        .select_from(parent)
        .join(getattr(parent, test.link.name).of_type(child))
        .where(*is_key(test.parent, parent, test.key, dialect))
    )
    own = [attribute(entity, field) for field in description.key]
    return own[0].in_(keys) if len(own) == 1 else sa.tuple_(*own).in_(keys)


def _compare(column: _Column, test: Compare, dialect: str) -> _Condition:
    if test.operator in _EXACT:
        return _compare_exactly(column, test, dialect)
    if test.operator in _ORDERED:
        return _ORDERED[test.operator](column, *test.values)
    return _like(column, test, dialect)


def _compare_exactly(column: _Column, test: Compare, dialect: str) -> _Condition:
    if test.operator == "isnull":
        is_null = _is_null(column, test.field, dialect)
        return is_null if test.values[0] else sa.not_(is_null)
    if test.operator in {"eq", "ne"}:
        equal = _equal(column, test.field, test.values[0], dialect)
    else:
        equal = _among(column, test.field, test.values, dialect)
    return sa.not_(equal) if test.operator in {"ne", "not_in"} else equal


_EXACT: Final = frozenset({"eq", "ne", "in", "not_in", "isnull"})
_ORDERED: Final[Mapping[str, Callable[..., _Condition]]] = MappingProxyType(
    {
        "gt": lambda column, value: column > value,
        "gte": lambda column, value: column >= value,
        "lt": lambda column, value: column < value,
        "lte": lambda column, value: column <= value,
        "between": lambda column, least, most: column.between(least, most),
    }
)


def _equal(column: _Column, field: Field, value: Any, dialect: str) -> _Condition:
    equal: _Condition = column == value
    exact = _exact(column, field, dialect)
    # The first half is served by the index, the second makes it exact.
    return equal if exact is None else sa.and_(equal, exact.column == exact.value(value))


def _among(column: _Column, field: Field, values: Sequence[Any], dialect: str) -> _Condition:
    among = column.in_(values)
    exact = _exact(column, field, dialect)
    return among if exact is None else sa.and_(among, exact.column.in_([exact.value(v) for v in values]))


@dataclass(frozen=True, slots=True)
class _Exact:
    """Both sides of an equality that no collation makes wider."""

    column: _Column
    value: Callable[[Any], Any]


def _exact(column: _Column, field: Field, dialect: str) -> _Exact | None:
    """None where the database's own equality is exact."""
    type_ = stored_as(field.type, dialect)
    if not isinstance(type_, sa.String) or (isinstance(type_, sa.Enum) and type_.native_enum):
        return None
    if isinstance(type_, postgresql.CITEXT):
        return _Exact(sa.cast(column, sa.Text), lambda value: sa.literal(value, sa.Text))
    if dialect in _MARIADB:
        collation = _BINARY_COLLATIONS[dialect]
        # The value is collated, not the column, which may be of another character set than the collation.
        return _Exact(column, lambda value: sa.collate(sa.literal(value, column.type), collation))
    if not type_.collation:
        return None
    # The column is: SQLite takes no notice of a collation inside of a list.
    return _Exact(
        sa.collate(column, _BINARY_COLLATIONS[dialect]), lambda value: sa.literal(value, column.type)
    )


def _is_null(column: _Column, field: Field, dialect: str) -> _Condition:
    null: _Condition = column.is_(None)
    if not isinstance(field.stored_type, sa.JSON):
        return null
    return sa.or_(null, _is_json_null(column, dialect))


def _is_json_null(column: _Column, dialect: str) -> _Condition:
    if dialect in _MARIADB:
        kind = sa.func.json_type(sa.type_coerce(column, sa.String()))
        return sa.func.coalesce(kind, "") == "NULL"
    # As text: functions for JSON stop at what is none on SQLite, and at the character NUL on PostgreSQL.
    text = sa.type_coerce(column, sa.String()) if dialect == "sqlite" else sa.cast(column, sa.Text)
    trim = sa.func.trim if dialect == "sqlite" else sa.func.btrim
    return trim(text, " \t\r\n") == "null"


def _like(column: _Column, test: Compare, dialect: str) -> _Condition:
    """Contains, startswith or endswith, with an `i` before it where letter case does not count."""
    folded = test.operator.startswith("i")
    before = "" if test.operator.endswith("startswith") else "%"
    after = "" if test.operator.endswith("endswith") else "%"
    text = sa.type_coerce(column, sa.String())
    value = str(test.values[0])
    if dialect == "sqlite":
        pattern = _glob(value, before, after, folded=folded)
        return text.op("GLOB", is_comparison=True)(pattern)
    if dialect == "postgresql":
        return _postgresql_like(text, test.field, before + _escaped(value, "\\") + after, folded=folded)
    return _mariadb_like(text, before + _escaped(value, _LIKE_ESCAPE) + after, dialect, folded=folded)


def _escaped(value: str, escape: str) -> str:
    return "".join(escape + char if char in {"%", "_", escape} else char for char in value)


def _postgresql_like(text: _Column, field: Field, pattern: str, *, folded: bool) -> _Condition:
    type_ = stored_as(field.type, "postgresql")
    if isinstance(type_, postgresql.CITEXT):
        text = sa.cast(text, sa.Text)
    elif getattr(type_, "collation", None):
        # PostgreSQL refuses patterns under a collation that is not deterministic.
        text = sa.collate(text, "default" if folded else "C")
    return text.ilike(pattern) if folded else text.like(pattern)


def _mariadb_like(text: _Column, pattern: str, dialect: str, *, folded: bool) -> _Condition:
    collation = _BINARY_COLLATIONS[dialect]
    if folded:
        lowered = sa.collate(sa.func.lower(sa.literal(pattern, sa.String())), collation)
        return sa.func.lower(text).like(lowered, escape=_LIKE_ESCAPE)
    exact = text.like(sa.collate(sa.literal(pattern, sa.String()), collation), escape=_LIKE_ESCAPE)
    return sa.and_(text.like(pattern, escape=_LIKE_ESCAPE), exact)


def _glob(value: str, before: str, after: str, *, folded: bool) -> str:
    """GLOB minds letter case, which LIKE does not here, and a class of both cases folds more than ASCII."""
    spelt = "".join(_glob_class(char) if folded else _glob_char(char) for char in value)
    return before.replace("%", "*") + spelt + after.replace("%", "*")


def _glob_char(char: str) -> str:
    return f"[{char}]" if char in "*?[" else char


def _glob_class(char: str) -> str:
    variants = sorted(
        {form for form in (char, char.lower(), char.upper(), char.title()) if form.lower() == char.lower()}
    )
    single = [form for form in variants if len(form) == 1]
    return f"[{''.join(single)}]" if len(single) > 1 else _glob_char(char)
