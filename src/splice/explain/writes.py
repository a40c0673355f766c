"""The statements that SQLAlchemy's unit of work sends for one row: INSERT, UPDATE and DELETE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapper, with_parent
from sqlalchemy.orm.attributes import set_committed_value

from splice.description import Description
from splice.explain.sql import Statement, Unsaid, statement_of

__all__ = ["deletes", "inserts", "loads_before_delete", "updates"]

_FROM_KEY: Final = Unsaid("the key that the INSERT before has made")
_VERSION: Final = Unsaid("the version read under the lock")


def inserts(description: Description, values: Mapping[str, Any], dialect: Dialect) -> Iterator[Statement]:
    """One INSERT for each table of the model, the parent's first; `values` are by field name."""
    mapper: Mapper[Any] = sa.inspect(description.model)
    said = _by_column(description, values) | _set_by_mapper(mapper)
    for table in _tables(mapper):
        row = {column.key: said[column] for column in table.columns if column in said}
        row |= {column.key: None for column in table.columns if column.key not in row and _is_filled(column)}
        if table is not mapper.base_mapper.local_table:
            row |= {column.key: _FROM_KEY for column in table.primary_key}
        yield statement_of("store the row", _returning(table, row, dialect), dialect, row, row)


def updates(
    description: Description, key: Mapping[str, Any], values: Mapping[str, Any], dialect: Dialect
) -> Iterator[Statement]:
    """One UPDATE for each table that has any of the values; `key` and `values` are by field name."""
    mapper: Mapper[Any] = sa.inspect(description.model)
    said, where = _by_column(description, values), _by_column(description, key)
    for table in _tables(mapper):
        row = {column.key: said[column] for column in table.columns if column in said}
        version = _version(mapper, table)
        if not row:
            continue
        binds = {_label(column): _key_value(mapper, column, where) for column in table.primary_key}
        if version is not None:
            binds[_label(version)] = _VERSION
            row[version.key] = Unsaid("the next version")
        marked = [*table.primary_key, *([version] if version is not None else [])]
        clauses = [column == sa.bindparam(_label(column), type_=column.type) for column in marked]
        statement = sa.update(table).where(*clauses)
        yield statement_of("write what has changed", statement, dialect, row, {**row, **binds})


def deletes(description: Description, key: Mapping[str, Any], dialect: Dialect) -> Iterator[Statement]:
    """One DELETE for each table of the model, the parent's last; `key` is by field name."""
    mapper: Mapper[Any] = sa.inspect(description.model)
    where = _by_column(description, key)
    for table in reversed(_tables(mapper)):
        version = _version(mapper, table)
        marked = [*table.primary_key, *([version] if version is not None else [])]
        binds = {column.key: _key_value(mapper, column, where) for column in table.primary_key}
        binds |= {} if version is None else {version.key: _VERSION}
        clauses = [column == sa.bindparam(column.key, type_=column.type) for column in marked]
        yield statement_of("delete the row", sa.delete(table).where(*clauses), dialect, None, binds)


def loads_before_delete(
    description: Description, key: Mapping[str, Any], dialect: Dialect
) -> Iterator[Statement]:
    """The related rows that SQLAlchemy loads before a DELETE, to delete them too or to let them go."""
    mapper: Mapper[Any] = sa.inspect(description.model)
    row = mapper.class_manager.new_instance()
    for name, field in description.fields.items():
        if isinstance(field.column, sa.Column):
            set_committed_value(row, name, key.get(name, Unsaid("as the row has it")))
    for relation in mapper.relationships:
        if relation.direction.name != "MANYTOONE" and not (relation.viewonly or relation.passive_deletes):
            attribute = getattr(description.model, relation.key)
            related = sa.select(relation.mapper.class_).where(with_parent(row, attribute))
            yield statement_of(
                f"load its {relation.key}, as SQLAlchemy does before a delete", related, dialect
            )


def _tables(mapper: Mapper[Any]) -> list[sa.Table]:
    tables = [table for table in mapper.tables if isinstance(table, sa.Table)]
    return sorted(tables, key=tables[0].metadata.sorted_tables.index) if len(tables) > 1 else tables


def _by_column(description: Description, values: Mapping[str, Any]) -> dict[Any, Any]:
    return {
        description.fields[name].column: value for name, value in values.items() if name in description.fields
    }


def _set_by_mapper(mapper: Mapper[Any]) -> dict[Any, Any]:
    """What the ORM fills in by itself: the first version, and which class a row is of."""
    found: dict[Any, Any] = {}
    if mapper.version_id_col is not None and callable(mapper.version_id_generator):
        found[mapper.version_id_col] = Unsaid("the first version")
    if isinstance(mapper.polymorphic_on, sa.Column) and mapper.polymorphic_identity is not None:
        found[mapper.polymorphic_on] = mapper.polymorphic_identity
    return found


def _is_filled(column: sa.Column[Any]) -> bool:
    """A column that nothing else supplies is stored as NULL in so many words."""
    return not (column.primary_key or column.default is not None or column.server_default is not None)


def _returning(table: sa.Table, row: Mapping[str, Any], dialect: Dialect) -> Any:
    statement = sa.insert(table)
    by_server = [column for column in table.columns if column.server_default is not None]
    if dialect.insert_returning and any(column.key not in row for column in by_server):
        return statement.return_defaults(*by_server)
    return statement


def _version(mapper: Mapper[Any], table: sa.Table) -> sa.Column[Any] | None:
    column = mapper.version_id_col
    return column if isinstance(column, sa.Column) and column.table is table else None


def _key_value(mapper: Mapper[Any], column: sa.Column[Any], where: Mapping[Any, Any]) -> Any:
    """The value of a key, which a joined subclass has in a column of each of its tables."""
    if column in where:
        return where[column]
    same = mapper.get_property_by_column(column).columns
    return next((where[each] for each in same if each in where), Unsaid("the key"))


def _label(column: sa.Column[Any]) -> str:
    # SQLAlchemy's own name for it, so that a column of the same name in SET is another parameter.
    return f"{column.table.name}_{column.name}"
