"""Advisory locks: what one process does at a time, on each kind of database, and beside a file."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from splice.errors import DatabaseUnavailable, SetupError

__all__ = [
    "PGBOUNCER",
    "begin_immediate",
    "lock_name_in_mariadb",
    "locked",
    "locked_file",
    "locked_until_commit",
    "pause",
]

PGBOUNCER: Final = "splice_pgbouncer"
"""An option of engines whose transactions each have another back end."""

_POLL_SECONDS: Final = 0.1


@contextmanager
def locked_until_commit(connection: Connection, name: str, seconds: int) -> Iterator[None]:
    """Hold a lock for the rest of the connection's transaction; on MariaDB and MySQL for the block.

    On SQLite this is the write lock of the file, whatever the name.

    Raises:
        DatabaseUnavailable: On MariaDB and MySQL another process has held the lock for all the time.
    """
    if connection.dialect.name == "sqlite":
        begin_immediate(connection)
        yield
    elif connection.dialect.name == "postgresql":
        _lock_transaction_in_postgresql(connection, name, seconds)
        yield
    else:
        with _locked_in_mariadb(connection, seconds):
            yield


@contextmanager
def locked(connection: Connection, name: str, seconds: int) -> Iterator[None]:
    """Hold a lock of the session for the block, across transactions; no transaction may be open.

    SQLite has none: there the transaction itself is the lock.

    Raises:
        SetupError: A PgBouncer stands in between, where a session's lock would stay with a back end of everybody's.
        DatabaseUnavailable: Another process has held the lock for all the time.
    """
    if connection.dialect.name == "sqlite":
        yield
    elif connection.get_execution_options().get(PGBOUNCER):
        raise SetupError(
            "migrations do not run through PgBouncer, whose back ends change with each transaction; give `splice db` "
            "the address of the database itself, as DATABASE_URL or by --database"
        )
    elif connection.dialect.name == "postgresql":
        with _locked_in_postgresql(connection, name, seconds):
            yield
    else:
        with _locked_in_mariadb(connection, seconds), _ended(connection):
            yield


@contextmanager
def locked_file(path: Path, seconds: int) -> Iterator[None]:
    """Hold a lock that is a file, removed at the end; where the system has no `flock`, nothing is held.

    Raises:
        DatabaseUnavailable: Another process has held the lock for all the time.
    """
    if importlib.util.find_spec("fcntl") is None:
        yield
        return
    descriptor = _wait(lambda: _try_file(path), seconds)
    try:
        yield
    finally:
        # Removed while it is locked: who waits on the removed file notices, and opens the next one.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def begin_immediate(connection: Connection) -> None:
    """Take SQLite's write lock, where the engine's own way to begin has not taken it."""
    driver: Any = connection.connection.driver_connection
    if not driver.in_transaction:  # The engine is the user's, and so is its way to begin.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def pause(seconds: float) -> None:
    """Sleep; under an async driver the event loop goes on."""
    if in_greenlet():
        await_only(asyncio.sleep(seconds))
    else:
        time.sleep(seconds)


def lock_name_in_mariadb() -> str:
    """The SQL of the lock's name: such locks are of the whole server, so it tells databases apart."""
    return "CONCAT('splice.', MD5(DATABASE()))"


def _lock_transaction_in_postgresql(connection: Connection, name: str, seconds: int) -> None:
    for timeout in ("statement_timeout", "lock_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {timeout} = '{seconds}s'")
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(name))))


@contextmanager
def _locked_in_postgresql(connection: Connection, name: str, seconds: int) -> Iterator[None]:
    key = sa.func.hashtext(name)
    # Asked again and again: a statement that waits for the lock would keep its snapshot, for which CREATE INDEX
    # CONCURRENTLY of the process that holds the lock would wait in turn.
    _wait(lambda: _scalar(connection, sa.select(sa.func.pg_try_advisory_lock(key))) or None, seconds)
    try:
        yield
    finally:
        _unlock(connection, sa.select(sa.func.pg_advisory_unlock(key)))


@contextmanager
def _locked_in_mariadb(connection: Connection, seconds: int) -> Iterator[None]:
    # MariaDB alone runs the comment: its statement timeout would end the wait for the lock, MySQL's is for plain reads.
    unlimited = "/*M! SET STATEMENT max_statement_time=0 FOR */"
    name = lock_name_in_mariadb()
    taken = connection.exec_driver_sql(f"{unlimited} SELECT GET_LOCK({name}, {seconds})").scalar()
    if taken != 1:  # 0 when the time is up, NULL when the wait was ended from outside.
        raise _held(seconds)
    try:
        yield
    finally:
        _unlock(connection, sa.text(f"SELECT RELEASE_LOCK({name})"), ends=False)


@contextmanager
def _ended(connection: Connection) -> Iterator[None]:
    connection.rollback()
    try:
        yield
    finally:
        connection.rollback()


def _scalar(connection: Connection, statement: sa.Executable) -> Any:
    value = connection.scalar(statement)
    connection.rollback()
    return value


def _unlock(connection: Connection, statement: sa.Executable, *, ends: bool = True) -> None:
    """Give a lock back; one of a connection that is lost is gone already."""
    if connection.invalidated:
        return
    if ends:
        connection.rollback()
    connection.scalar(statement)
    if ends:
        connection.rollback()


def _wait(attempt: Callable[[], Any], seconds: int) -> Any:
    """Try until something other than None comes back."""
    deadline = time.monotonic() + seconds
    while (got := attempt()) is None:
        if time.monotonic() > deadline:
            raise _held(seconds)
        pause(_POLL_SECONDS)
    return got


def _held(seconds: int) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"The tables were not changed: another process has held the lock for {seconds} seconds"
    )


def _try_file(path: Path) -> int | None:
    """A descriptor of the locked file, or None where somebody else has it."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except OSError:  # Held, or removed by who has just held it.
        pass
    os.close(descriptor)
    return None
