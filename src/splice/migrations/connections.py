"""A connection made ready for migrations: no timeout ends them, and on SQLite tables can be made anew in peace."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from splice.errors import SetupError
from splice.limits import UNLIMITED
from splice.locks import begin_immediate

__all__ = ["WAIT_SECONDS", "prepared"]

WAIT_SECONDS: Final = 600
"""How long one process waits while another upgrades the same database."""


@contextmanager
def prepared(connection: Connection) -> Iterator[None]:
    """Lift the timeouts of a connection, and SQLite's foreign keys, for the block; no transaction may be open.

    Waiting for a table that others use stays bounded as the engine has it.

    Raises:
        SetupError: A transaction is open.
    """
    if connection.in_transaction():
        raise SetupError("migrations begin transactions of their own; give them an engine, or a URL")
    prepare = {"sqlite": _prepared_sqlite, "postgresql": _prepared_postgresql}.get(
        connection.dialect.name, _prepared_mariadb
    )
    with prepare(connection):
        yield


@contextmanager
def _prepared_sqlite(connection: Connection) -> Iterator[None]:
    # With foreign keys on, dropping the old of a table that was made anew would delete the rows that refer to it, or
    # fail. The switch works outside of transactions only. Source: https://www.sqlite.org/lang_altertable.html#otheralter
    wanted = {"foreign_keys": 0, "busy_timeout": WAIT_SECONDS * 1000}
    before = {name: _pragma(connection, name) for name in wanted}
    for name, value in wanted.items():
        _pragma(connection, f"{name}={value}")
    # Engines of splice do, and those of whoever follows SQLAlchemy's advice about SQLite.
    begins_itself = bool(connection.dispatch.begin)
    connection.info[UNLIMITED] = True
    if not begins_itself:
        sa.event.listen(connection, "begin", begin_immediate)
    try:
        yield
    finally:
        connection.info.pop(UNLIMITED, None)
        if not begins_itself:
            sa.event.remove(connection, "begin", begin_immediate)
        if not connection.invalidated:
            connection.rollback()
            for name, value in before.items():
                _pragma(connection, f"{name}={value}")


def _pragma(connection: Connection, text: str) -> Any:
    # By the driver's cursor: SQLAlchemy would begin a transaction, in which foreign keys cannot be switched.
    cursor = connection.connection.cursor()
    try:
        cursor.execute(f"PRAGMA {text}")
        row = cursor.fetchone()
    finally:
        cursor.close()
    return None if row is None else row[0]


@contextmanager
def _prepared_postgresql(connection: Connection) -> Iterator[None]:
    timeouts = ("statement_timeout", "idle_in_transaction_session_timeout")
    _execute(connection, *(f"SET {name} = 0" for name in timeouts))
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.rollback()
            _execute(connection, *(f"RESET {name}" for name in timeouts))


@contextmanager
def _prepared_mariadb(connection: Connection) -> Iterator[None]:
    with _calm("asyncmy"), _without_timeout(connection):
        yield


@contextmanager
def _calm(name: str) -> Iterator[None]:
    """Keep notes of the server out of the log: it says of each primary key that its name is ignored."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _without_timeout(connection: Connection) -> Iterator[None]:
    if not getattr(connection.dialect, "is_mariadb", False):
        yield  # MySQL's timeout is for plain SELECTs alone.
        return
    before = connection.exec_driver_sql("SELECT @@SESSION.max_statement_time").scalar()
    _execute(connection, "SET SESSION max_statement_time = 0")
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.rollback()
            _execute(connection, f"SET SESSION max_statement_time = {before}")


def _execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
    connection.commit()  # A rollback would undo SET.
