"""Enums of PostgreSQL in revisions: the type is made before its columns, changed with its model, dropped at last.

Elsewhere an enum is no type of its own, and what is written here does nothing: a revision made on SQLite creates the
type when it is run on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _alter_column
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

__all__ = ["complete_enums", "render_enum"]

_Place: TypeAlias = tuple[str | None, str, str]
"""Schema, table and column."""


@dataclass(frozen=True, slots=True)
class _Type:
    """A type by its name; `values` are in their order."""

    name: str
    schema: str | None
    values: tuple[str, ...]


class _CreateType(ops.MigrateOperation):
    """A line that creates a type, unless it is there."""

    def __init__(self, made: _Type) -> None:
        self.made = made

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("add_enum", self.made.name, list(self.made.values))


class _DropType(ops.MigrateOperation):
    """A line that drops a type, if it is there."""

    def __init__(self, made: _Type) -> None:
        self.made = made

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("remove_enum", self.made.name)


class _BecomeEnum(ops.AlterColumnOp):
    """Makes an enum of a text; Alembic has no other way to write `postgresql_using`."""

    def reverse(self) -> ops.AlterColumnOp:
        reversed_ = super().reverse()
        reversed_.__class__ = ops.AlterColumnOp
        return reversed_


@renderers.dispatch_for(_BecomeEnum)
def _render_become(context: AutogenContext, operation: _BecomeEnum) -> str:
    named = _named(operation.modify_type)
    written = _alter_column(context, operation)
    if named is None:
        return written
    using = f'"{operation.column_name}"::text::"{named.name}"'
    return f"{written.removesuffix(')')},\n           postgresql_using={using!r})"


@renderers.dispatch_for(_CreateType)
def _render_create(_: AutogenContext, operation: _CreateType) -> str:
    made = operation.made
    return (
        f"sa.Enum({_arguments(made.values, made.name, made.schema)}).create(op.get_bind(), checkfirst=True)"
    )


@renderers.dispatch_for(_DropType)
def _render_drop(_: AutogenContext, operation: _DropType) -> str:
    made = operation.made
    return f"sa.Enum({_arguments((), made.name, made.schema)}).drop(op.get_bind(), checkfirst=True)"


def render_enum(item: sa.Enum, context: AutogenContext) -> str | bool:
    """Write the type of a column by its values; its own type in the database is made by a line of its own."""
    named = _named(item)
    if named is None:
        return False
    if isinstance(item, postgresql.ENUM):
        context.imports.add("from sqlalchemy.dialects import postgresql")
    prefix = "postgresql.ENUM" if isinstance(item, postgresql.ENUM) else "sa.Enum"
    check = ", create_constraint=True" if getattr(item, "create_constraint", False) else ""
    return f"{prefix}({_arguments(named.values, named.name, named.schema)}{check}, create_type=False)"


def _arguments(values: Sequence[str], name: str, schema: str | None) -> str:
    parts = [*map(repr, values), f"name={name!r}", *([f"schema={schema!r}"] if schema else ())]
    return ", ".join(parts)


def complete_enums(context: MigrationContext, upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps) -> None:
    """Add the lines about types to a revision: created first, dropped last, changed in between."""
    declared = dict(_declared(context))
    stored = _stored(context)
    created = _created(declared, {*_touched(upgrade)}, stored)
    dropped = [made for made in _left(upgrade) if made.name not in {known.name for known in declared}]
    upgrade.ops[:0] = [_CreateType(made) for made in created]
    downgrade.ops.extend(_DropType(made) for made in created)
    upgrade.ops.extend(_DropType(made) for made in dropped)
    downgrade.ops[:0] = [_CreateType(made) for made in dropped]
    _change(context, declared, stored, (upgrade, downgrade))


def _declared(context: MigrationContext) -> Iterator[tuple[_Type, set[_Place]]]:
    """Types of the models, and the columns that have them."""
    found: dict[_Type, set[_Place]] = {}
    for metadata in context.opts["target_metadata"] or ():
        for table in metadata.tables.values():
            for column in table.columns:
                named = _named(column.type)
                if named is not None:
                    found.setdefault(named, set()).add((table.schema, table.name, column.name))
    yield from found.items()


def _named(item: Any) -> _Type | None:
    """The type of its own that a column would have on PostgreSQL."""
    while isinstance(item, sa.TypeDecorator | sa.ARRAY):
        item = item.impl_instance if isinstance(item, sa.TypeDecorator) else item.item_type
    if not isinstance(item, sa.Enum) or not item.native_enum or not item.name:
        return None
    return _Type(str(item.name), item.schema, tuple(item.enums))


def _touched(upgrade: ops.UpgradeOps) -> Iterator[_Place]:
    """Columns that a revision adds, or gives a new type."""
    for operation in _flat(upgrade):
        if isinstance(operation, ops.CreateTableOp):
            yield from (
                (operation.schema, operation.table_name, column.name)
                for column in operation.to_table().columns
            )
        elif isinstance(operation, ops.AddColumnOp):
            yield operation.schema, operation.table_name, operation.column.name
        elif isinstance(operation, ops.AlterColumnOp) and _becomes_enum(operation):
            _cast(operation)
            yield operation.schema, operation.table_name, operation.column_name


def _becomes_enum(operation: ops.AlterColumnOp) -> bool:
    return _named(operation.modify_type) is not None and not isinstance(operation.existing_type, sa.Enum)


def _cast(operation: ops.AlterColumnOp) -> None:
    """PostgreSQL makes no enum of a text unless it is told how."""
    operation.__class__ = _BecomeEnum


def _created(
    declared: dict[_Type, set[_Place]], touched: set[_Place], stored: dict[str, _Type] | None
) -> list[_Type]:
    """Types that are new: not in the database, or where it has none, on new columns alone."""
    if stored is not None:
        return [made for made, places in declared.items() if made.name not in stored and places & touched]
    return [made for made, places in declared.items() if places <= touched]


def _left(upgrade: ops.UpgradeOps) -> Iterator[_Type]:
    """Types of columns that are dropped, each once."""
    seen: set[str] = set()
    for operation in _flat(upgrade):
        columns: list[Any] = []
        if isinstance(operation, ops.DropTableOp):
            columns = list(operation.to_table().columns)
        elif isinstance(operation, ops.DropColumnOp):
            columns = [operation.to_column()]
        for column in columns:
            named = _named(column.type)
            if isinstance(column.type, postgresql.ENUM) and named is not None and named.name not in seen:
                seen.add(named.name)
                yield named


def _flat(container: ops.OpContainer) -> Iterator[ops.MigrateOperation]:
    for operation in container.ops:
        if isinstance(operation, ops.OpContainer):
            yield from _flat(operation)
        else:
            yield operation


def _stored(context: MigrationContext) -> dict[str, _Type] | None:
    """Types of the database by name; None where it has no such types."""
    if context.dialect.name != "postgresql" or context.connection is None:
        return None
    inspector: Any = sa.inspect(context.connection)
    return {
        found["name"]: _Type(found["name"], found["schema"], tuple(found["labels"]))
        for found in inspector.get_enums(schema="*")
    }


def _change(
    context: MigrationContext,
    declared: dict[_Type, set[_Place]],
    stored: dict[str, _Type] | None,
    scripts: tuple[ops.UpgradeOps, ops.DowngradeOps],
) -> None:
    connection = context.connection
    for new in declared:
        old = (stored or {}).get(new.name)
        if old is not None and old.values != new.values and connection is not None:
            columns = _columns_of(connection, old)
            as_declared = [replace(column, default=_declared_default(context, column)) for column in columns]
            up = _changes(connection, old, new, as_declared)
            down = _changes(connection, new, old, columns)
            _place([*map(ops.ExecuteSQLOp, up)], scripts[0], last=set(new.values) < set(old.values))
            _place([*map(ops.ExecuteSQLOp, down)], scripts[1], last=not set(new.values) < set(old.values))


def _place(lines: list[ops.ExecuteSQLOp], script: ops.OpContainer, *, last: bool) -> None:
    """Values are added before anything else may use them, and removed when nothing does any more."""
    at = len(script.ops) if last else 0
    script.ops[at:at] = lines


def _declared_default(context: MigrationContext, column: _Column) -> str | None:
    """The default that the model has, in SQL; what the database has where no model has the column."""
    schema, name, attribute = column.place
    keys = (
        (f"{schema}.{name}", name) if schema == context.dialect.default_schema_name else (f"{schema}.{name}",)
    )
    tables = [
        metadata.tables[key]
        for metadata in context.opts["target_metadata"]
        for key in keys
        if key in metadata.tables
    ]
    found = next((table.columns[attribute] for table in tables if attribute in table.columns), None)
    if found is None:
        return column.default
    compiler: Any = context.dialect.ddl_compiler(context.dialect, None)  # type: ignore[arg-type]  # it compiles a part
    default: str | None = compiler.get_column_default_string(found)
    return default


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a type, as its table stands in the database; `table` and `name` are quoted, `place` is not."""

    place: tuple[str, str, str]
    table: str
    name: str
    default: str | None
    brackets: str


_COLUMNS: Final = sa.text(
    """
    SELECT n.nspname, c.relname, a.attname, pg_get_expr(d.adbin, d.adrelid), a.atttypid = t.typarray
    FROM pg_type t
    JOIN pg_namespace s ON s.oid = t.typnamespace
    JOIN pg_attribute a ON a.atttypid IN (t.oid, t.typarray) AND NOT a.attisdropped
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE t.typname = :name AND s.nspname = :schema
    ORDER BY n.nspname, c.relname, a.attnum
    """
)


def _columns_of(connection: Connection, made: _Type) -> list[_Column]:
    default = connection.dialect.default_schema_name
    quote = connection.dialect.identifier_preparer.quote
    rows = connection.execute(_COLUMNS, {"name": made.name, "schema": made.schema or default})
    return [
        _Column(
            place=(schema, table, column),
            table=quote(table) if schema == default else f"{quote(schema)}.{quote(table)}",
            name=quote(column),
            default=expression,
            brackets="[]" if is_array else "",
        )
        for schema, table, column, expression, is_array in rows
    ]


def _changes(connection: Connection, old: _Type, new: _Type, columns: Sequence[_Column]) -> Iterator[str]:
    """The statements that make one type of another: added values at no cost, else every column is rewritten."""
    quote = connection.dialect.identifier_preparer.quote
    schema = new.schema if new.schema != connection.dialect.default_schema_name else None
    prefix = f"{quote(schema)}." if schema else ""
    name = f"{prefix}{quote(new.name)}"
    added = [value for value in new.values if value not in old.values]
    if tuple(value for value in new.values if value not in added) == old.values:
        yield from (
            f"ALTER TYPE {name} ADD VALUE {_literal(value)}{_where(value, old, new)}" for value in added
        )
        return
    spare = quote(f"{new.name}_old")
    yield f"ALTER TYPE {name} RENAME TO {spare}"
    yield f"CREATE TYPE {name} AS ENUM ({', '.join(map(_literal, new.values))})"
    for column in columns:
        yield from _retype(column, name)
    yield f"DROP TYPE {prefix}{spare}"


def _where(value: str, old: _Type, new: _Type) -> str:
    """After its neighbour, or before the first."""
    place = new.values.index(value)
    if place:
        return f" AFTER {_literal(new.values[place - 1])}"
    return f" BEFORE {_literal(old.values[0])}" if old.values else ""


def _retype(column: _Column, name: str) -> Iterator[str]:
    alter = f"ALTER TABLE {column.table} ALTER COLUMN {column.name}"
    yield f"{alter} DROP DEFAULT"
    yield f"{alter} TYPE {name}{column.brackets} USING {column.name}::text{column.brackets}::{name}{column.brackets}"
    if column.default is not None:
        yield f"{alter} SET DEFAULT {column.default}"


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
