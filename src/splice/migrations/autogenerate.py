"""What autogenerate is told, so that a revision runs on every database: names, types, schemas, enums; and hints.

A hint says what cannot be seen by comparing: that a column was renamed, or that rows stand in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy.types import TypeDecorator, TypeEngine

from splice.migrations.enums import complete_enums, render_enum

__all__ = ["HINTS", "complete", "flat", "include_name", "include_object", "render_item"]

HINTS: Final = "hints"
"""The attribute of the configuration, a list, that takes the hints of a revision."""

_FUNCTIONS: Final = frozenset(
    {"now", "current_timestamp", "current_date", "current_time", "localtime", "localtimestamp"}
)
"""Functions without arguments that SQLAlchemy spells for each database."""

_NameFilter: TypeAlias = Callable[[str | None, str, Any], bool]


def include_name(tables: Sequence[sa.MetaData]) -> _NameFilter:
    """Look only at the schemas that the models have tables in, and at the default one."""
    schemas = {table.schema for metadata in tables for table in metadata.tables.values()}

    def includes(name: str | None, kind: str, _: Any) -> bool:
        return kind != "schema" or name is None or name in schemas

    return includes


def include_object(made: Any, _name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    """Leave out views that models are mapped to: they are no tables to create."""
    return not (kind == "table" and getattr(made, "is_view", False))


def render_item(kind: str, item: Any, context: AutogenContext) -> str | bool:
    """Write a type so that the revision can be imported, and still can when the models have changed."""
    if kind == "server_default":
        return _render_default(item)
    if kind != "type":
        return False
    if isinstance(item, sa.Enum):
        return render_enum(item, context)
    module = type(item).__module__
    if module.startswith(("sqlalchemy.", "alembic.")):
        return False
    if isinstance(item, TypeDecorator) and _is_the_same_everywhere(item):
        return _render(item.impl_instance, context)
    context.imports.add(f"import {module}")
    return f"{module}.{item!r}"


def _render_default(default: Any) -> str | bool:
    """Write what databases spell differently as SQLAlchemy has it; the rest is left to Alembic."""
    argument = getattr(default, "arg", None)
    if isinstance(argument, sa.sql.elements.True_ | sa.sql.elements.False_):
        return f"sa.{str(argument).lower()}()"
    if isinstance(argument, sa.sql.functions.FunctionElement) and argument.name in _FUNCTIONS:
        return f"sa.func.{argument.name}()"
    return False


def _is_the_same_everywhere(item: TypeDecorator[Any]) -> bool:
    # The class may be renamed, or take other arguments, when the revision is run years later; its type in SQL stays.
    return type(item).load_dialect_impl is TypeDecorator.load_dialect_impl and not item._variant_mapping  # noqa: SLF001  # Alembic asks the same


def _render(item: TypeEngine[Any], context: AutogenContext) -> str:
    from alembic.autogenerate.render import _repr_type

    return _repr_type(item, context)


def complete(context: MigrationContext, _revision: Any, scripts: list[ops.MigrationScript]) -> None:
    """Add to what autogenerate has found, and drop a revision in which nothing would happen."""
    script = scripts[0]
    upgrade, downgrade = script.upgrade_ops, script.downgrade_ops
    if upgrade is None or downgrade is None or not _is_generated(context):
        return
    for script_part in (upgrade, downgrade):
        _order(script_part)
    complete_enums(context, upgrade, downgrade)
    _create_schemas(context, upgrade)
    hints = _config(context).attributes.get(HINTS)
    if hints is not None:
        hints.extend([*_hints(upgrade)])
        if upgrade.is_empty():
            scripts.clear()


def _config(context: MigrationContext) -> Any:
    return context.config


def _is_generated(context: MigrationContext) -> bool:
    """Whether models were compared: an empty revision was asked for otherwise."""
    revision: Any = context.opts.get("revision_context")
    return revision is None or bool(revision.command_args.get("autogenerate"))


def flat(container: ops.OpContainer) -> Iterator[ops.MigrateOperation]:
    """All operations, those on one table not grouped."""
    for operation in container.ops:
        if isinstance(operation, ops.ModifyTableOps):
            yield from flat(operation)
        else:
            yield operation


def _order(container: ops.OpContainer) -> None:
    """Let foreign keys go before the indexes that MariaDB wants for them, and a table with its indexes."""
    dropped = {
        (operation.schema, operation.table_name)
        for operation in container.ops
        if isinstance(operation, ops.DropTableOp)
    }
    for group in [group for group in container.ops if isinstance(group, ops.ModifyTableOps)]:
        if (group.schema, group.table_name) in dropped:
            group.ops = [operation for operation in group.ops if not isinstance(operation, ops.DropIndexOp)]
        group.ops.sort(key=_comes_later)
    container.ops = [
        part for part in container.ops if not (isinstance(part, ops.ModifyTableOps) and part.is_empty())
    ]


def _comes_later(operation: ops.MigrateOperation) -> bool:
    return not (isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "foreignkey")


def _create_schemas(context: MigrationContext, upgrade: ops.UpgradeOps) -> None:
    if context.connection is None or context.dialect.name == "sqlite":
        return
    wanted = {operation.schema for operation in upgrade.ops if isinstance(operation, ops.CreateTableOp)}
    known = set(sa.inspect(context.connection).get_schema_names())
    quote = context.dialect.identifier_preparer.quote
    for schema in sorted(name for name in wanted if name is not None and name not in known):
        # It stays on downgrade: it may hold what no model knows.
        upgrade.ops.insert(0, ops.ExecuteSQLOp(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}"))


def _hints(upgrade: ops.UpgradeOps) -> Iterator[str]:
    operations = list(flat(upgrade))
    added = [operation for operation in operations if isinstance(operation, ops.AddColumnOp)]
    dropped = [operation for operation in operations if isinstance(operation, ops.DropColumnOp)]
    for new, old in product(added, dropped):
        if _may_be_renamed(old, new):
            yield (
                f"{new.table_name}.{old.column_name} is dropped with its data and {new.column.name} added: if it was "
                f'renamed, write batch_op.alter_column("{old.column_name}", new_column_name="{new.column.name}") in '
                "place of both"
            )
    yield from (
        _says_not_null(operation.table_name, operation.column.name)
        for operation in added
        if _wants(operation)
    )
    yield from (hint for operation in operations for hint in _hints_of_table(operation, operations))


def _hints_of_table(operation: ops.MigrateOperation, operations: list[ops.MigrateOperation]) -> Iterator[str]:
    if isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable is False:
        yield (
            f"{operation.table_name}.{operation.column_name} becomes NOT NULL: give rows without a value one first, by "
            "op.execute(…) at the start of upgrade()"
        )
    if isinstance(operation, ops.DropTableOp):
        columns = {column.name for column in operation.to_table().columns}
        for other in operations:
            if isinstance(other, ops.CreateTableOp) and columns == _columns(other):
                yield (
                    f"the table {operation.table_name} is dropped with its rows and {other.table_name} created: if it "
                    f'was renamed, write op.rename_table("{operation.table_name}", "{other.table_name}") instead'
                )


def _columns(operation: ops.CreateTableOp) -> set[str]:
    return {column.name for column in operation.to_table().columns}


def _may_be_renamed(old: ops.DropColumnOp, new: ops.AddColumnOp) -> bool:
    if (old.table_name, old.schema) != (new.table_name, new.schema):
        return False
    return old.to_column().type._type_affinity is new.column.type._type_affinity  # noqa: SLF001  # Alembic asks the same


def _wants(operation: ops.AddColumnOp) -> bool:
    column = operation.column
    return not column.nullable and column.server_default is None and column.computed is None


def _says_not_null(table: str, column: str) -> str:
    return (
        f"{table}.{column} is NOT NULL without a server default, which rows that exist stand in the way of: give it a "
        "server_default, or add it as nullable, fill it by op.execute(…), and then alter it"
    )
