"""Tables of `create=`: made at the first start, by one process at a time."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.orm import Session
from sqlalchemy.schema import Column

from splice.errors import DatabaseUnavailable, SetupError

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
    create = {"sqlite": _create_in_sqlite, "postgresql": _create_in_postgresql}.get(
        connection.dialect.name, _create_in_mariadb
    )
    create(connection, metadata)


def _create_in_sqlite(connection: Connection, metadata: sa.MetaData) -> None:
    driver: Any = connection.connection.driver_connection
    if not driver.in_transaction:  # The engine is the user's, and so is its way to begin.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    metadata.create_all(connection)


def _create_in_postgresql(connection: Connection, metadata: sa.MetaData) -> None:
    for timeout in ("statement_timeout", "lock_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {timeout} = '{_CREATE_SECONDS}s'")
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("splice.create"))))
    metadata.create_all(connection)


def _create_in_mariadb(connection: Connection, metadata: sa.MetaData) -> None:
    # MariaDB alone runs the comment: its statement timeout would end the wait for the lock, MySQL's is for plain reads.
    unlimited = "/*M! SET STATEMENT max_statement_time=0 FOR */"
    name = "CONCAT('splice.', MD5(DATABASE()))"
    taken = connection.exec_driver_sql(f"{unlimited} SELECT GET_LOCK({name}, {_CREATE_SECONDS})").scalar()
    if taken != 1:  # 0 when the time is up, NULL when the wait was ended from outside.
        raise DatabaseUnavailable(
            f"The tables were not created: another process has held the lock for {_CREATE_SECONDS} seconds"
        )
    try:
        metadata.create_all(connection)
    finally:
        connection.exec_driver_sql(f"SELECT RELEASE_LOCK({name})")


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
