"""Plan → SQL. Pure: nothing here runs a statement; the dialect decides only where the databases differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import lazyload, undefer
from sqlalchemy.sql.elements import ColumnElement, UnaryExpression

from splice.description import Constraint, Description, Field, Relation
from splice.plan import Filter, ReadPlan, Sort

__all__ = [
    "children_of",
    "count_rows",
    "lock_entity",
    "parent_of",
    "reselect_entity",
    "select_entities",
    "select_entity",
    "select_row",
    "select_rows",
]

_BINARY_COLLATIONS: Final = (("mariadb", "utf8mb4_nopad_bin"), ("mysql", "utf8mb4_0900_bin"))
"""Exact and without padding: by default 'ada' = 'ÁDA ' there."""


def select_rows(plan: ReadPlan, dialect: str) -> sa.Select[Any]:
    """The page, each row a tuple of the readable fields, and one row more, which tells whether there is a next page."""
    columns = [_attribute(plan.description, field) for field in plan.description.readable]
    return _page(sa.select(*columns), plan, dialect)


def select_entities(plan: ReadPlan, dialect: str) -> sa.Select[Any]:
    """The same page as ORM entities, for answers in a shape of the user's own."""
    return _page(sa.select(plan.description.model), plan, dialect)


def count_rows(plan: ReadPlan, dialect: str) -> sa.Select[Any]:
    """How many rows match, whatever the page: a window count would be wrong past the last one."""
    statement = sa.select(sa.func.count()).select_from(plan.description.model)
    return statement.where(*_where(plan, dialect))


def select_row(description: Description, key: Sequence[Any], dialect: str) -> sa.Select[Any]:
    """One row, as a tuple of the readable fields."""
    columns = [_attribute(description, field) for field in description.readable]
    return sa.select(*columns).where(*_is_key(description, key, dialect))


def select_entity(description: Description, key: Sequence[Any], dialect: str) -> sa.Select[Any]:
    """One ORM entity; what the session has changed and not flushed yet stays as it is."""
    return sa.select(description.model).where(*_is_key(description, key, dialect))


def reselect_entity(description: Description, key: Sequence[Any], dialect: str) -> sa.Select[Any]:
    """The same as it is stored now; whoever runs it has flushed what was changed."""
    return select_entity(description, key, dialect).execution_options(populate_existing=True)


def lock_entity(description: Description, key: Sequence[Any], dialect: str) -> sa.Select[Any]:
    """The same under the row lock, where the database has any; every column is loaded, and no relation."""
    statement = reselect_entity(description, key, dialect).options(lazyload("*"), undefer("*"))
    # Only this table: PostgreSQL refuses a lock on the empty side of an outer join.
    return statement.with_for_update(of=description.model)


def children_of(relation: Relation, parent: Mapping[str, Any]) -> sa.Select[Any]:
    """Whether a relation has any row left."""
    pairs = zip(relation.remote, relation.local, strict=True)
    return sa.select(sa.exists().where(*(remote == parent[local] for remote, local in pairs)))


def parent_of(
    description: Description, constraint: Constraint, values: Mapping[str, Any]
) -> sa.Select[Any] | None:
    """Whether the row exists that a foreign key asks for; None where one part of the key is NULL."""
    wanted = [values.get(name) for name in constraint.fields]
    if not wanted or any(value is None for value in wanted):
        return None
    columns = [description.fields[name].column for name in constraint.fields]
    targets = [next(iter(column.foreign_keys)).column for column in columns]
    return sa.select(
        sa.exists().where(*(target == value for target, value in zip(targets, wanted, strict=True)))
    )


def _page(statement: sa.Select[Any], plan: ReadPlan, dialect: str) -> sa.Select[Any]:
    terms = [term for sort in plan.order for term in _order(plan.description, sort, dialect)]
    return statement.where(*_where(plan, dialect)).order_by(*terms).limit(plan.limit + 1).offset(plan.offset)


def _where(plan: ReadPlan, dialect: str) -> list[ColumnElement[bool]]:
    """The one place where conditions join a read."""
    return [sa.or_(*_matches(plan.description, condition, dialect)) for condition in plan.filters]


def _matches(description: Description, condition: Filter, dialect: str) -> list[ColumnElement[bool]]:
    return [_equals(description, condition.field, value, dialect) for value in condition.values]


def _equals(description: Description, field: Field, value: Any, dialect: str) -> ColumnElement[bool]:
    column = _attribute(description, field)
    equal: ColumnElement[bool] = column == value
    collation = dict(_BINARY_COLLATIONS).get(dialect)
    is_text = isinstance(field.stored_type, sa.String) and not isinstance(field.stored_type, sa.Enum)
    if not (collation and is_text):
        return equal
    # The first half is served by the index, the second makes it exact. The value is collated, not the column, which may
    # be of another character set than the collation.
    return sa.and_(equal, column == sa.collate(sa.literal(value, column.type), collation))


def _order(description: Description, sort: Sort, dialect: str) -> list[ColumnElement[Any]]:
    column = _attribute(description, sort.field)
    term: UnaryExpression[Any] = column.desc() if sort.descending else column.asc()
    if not sort.field.nullable:
        return [term]
    # NULLs come last everywhere; MariaDB and MySQL have no words for it.
    return [column.is_(None), term] if dialect in {"mariadb", "mysql"} else [term.nulls_last()]


def _is_key(description: Description, key: Sequence[Any], dialect: str) -> list[ColumnElement[bool]]:
    pairs = zip(description.key, key, strict=True)
    return [_equals(description, field, value, dialect) for field, value in pairs]


def _attribute(description: Description, field: Field) -> ColumnElement[Any]:
    attribute: ColumnElement[Any] = getattr(description.model, field.name)
    return attribute
