"""Tables of `create=`: made at the first start, by one process at a time."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session
from sqlalchemy.schema import Column

from splice.conventions import named
from splice.errors import SetupError
from splice.locks import locked_until_commit

__all__ = ["create_tables"]

_CREATE_SECONDS: Final = 60


def create_tables(session: Session, metadata: sa.MetaData) -> None:
    """Create what is missing, one process at a time; several may ask at once.

    Raises:
        SetupError: A column has no type on this database; the message names it and the fix.
        DatabaseUnavailable: On MariaDB and MySQL another process has not made its tables in time.
    """
    connection = session.connection()
    _refuse_types(connection.dialect, metadata)
    with locked_until_commit(connection, "splice.create", _CREATE_SECONDS):
        # PostgreSQL chooses these names itself.
        tables = metadata if connection.dialect.name == "postgresql" else named(metadata)
        tables.create_all(connection)


def _refuse_types(dialect: Dialect, metadata: sa.MetaData) -> None:
    columns = [column for table in metadata.sorted_tables for column in table.columns]
    _refuse_unnumbered_keys(dialect, metadata)
    unfit = [column for column in columns if not _has_type(dialect, column)]
    if not unfit:
        return
    names = ", ".join(f"{column.table.name}.{column.name}" for column in unfit)
    if all(isinstance(column.type, sa.String) for column in unfit):
        raise SetupError(
            f"{dialect.name} has no String without a length: {names}; write String(255), or Text"
        )
    raise SetupError(
        f"{dialect.name} has no such type: {names}; choose one that it has, by with_variant if need be"
    )


def _refuse_unnumbered_keys(dialect: Dialect, metadata: sa.MetaData) -> None:
    """SQLite numbers rows only where the key is an INTEGER by that very name."""
    keys = (
        [table.autoincrement_column for table in metadata.sorted_tables] if dialect.name == "sqlite" else []
    )
    for key in keys:
        if key is not None and key.type.compile(dialect) != "INTEGER":
            raise SetupError(
                f"SQLite would not number the rows of {key.table.name}, whose key {key.name} is a {key.type!r}; write "
                'BigInteger().with_variant(Integer, "sqlite")'
            )


def _has_type(dialect: Dialect, column: Column[Any]) -> bool:
    try:
        dialect.type_compiler_instance.process(column.type, type_expression=column)
    except sa.exc.CompileError:
        return False
    return True
