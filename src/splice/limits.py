"""How long a request may take, told to its database: what is left of a deadline becomes the limit of statements.

They are called where a transaction begins, and read the deadline from the options of the connection.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from splice.errors import TooBusy

__all__ = [
    "UNLIMITED",
    "limit_mariadb",
    "limit_postgresql",
    "limit_sqlite",
    "limit_sqlite_statement",
    "mariadb_limit",
    "milliseconds",
    "set_in_transaction",
    "start_clock",
    "with_deadline",
]

_UNTIL: Final = "splice_until"
_CLOCK: Final = "splice_clock"
UNLIMITED: Final = "splice_unlimited"
"""In the `info` of a connection of SQLite: that its statements may take any time."""

_LIMITED: Final = "splice_limited"
"""In the `info` of a driver's connection: that its limit is not the usual one."""

_STEPS: Final = 200_000
"""Steps of SQLite's machine between two looks at the clock: some milliseconds."""


def with_deadline(engine: Engine | AsyncEngine, until: float) -> Engine | AsyncEngine:
    """The same engine and pool, whose transactions end by a time of `time.monotonic`."""
    return engine.execution_options(**{_UNTIL: until})


def milliseconds(seconds: float) -> int:
    """Rounded up, as databases want them: 0 would be no limit."""
    return math.ceil(seconds * 1000)


def limit_postgresql(connection: Connection, usual_seconds: float) -> None:
    """Give each statement of the transaction no more than what is left.

    Raises:
        TooBusy: Nothing is left.
    """
    seconds = _seconds_left(connection, usual_seconds)
    if seconds < usual_seconds:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds(seconds)}")


def set_in_transaction(connection: Connection, parameters: Mapping[str, str], usual_seconds: float) -> None:
    """Set what a connection would be opened with, and the limit, for this transaction alone.

    The next one may be served by another back end.

    Raises:
        TooBusy: Nothing is left.
    """
    limit = milliseconds(_seconds_left(connection, usual_seconds))
    wanted = {**parameters, "statement_timeout": str(limit)}
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in wanted.items())
    connection.exec_driver_sql(f"SELECT {calls}")


def limit_mariadb(connection: Connection, usual_seconds: float) -> None:
    """The same; the setting is the session's there, so it is put back by the first transaction without a deadline.

    Raises:
        TooBusy: Nothing is left.
    """
    seconds = _seconds_left(connection, usual_seconds)
    if _has_to_be_set(connection, seconds, usual_seconds):
        connection.exec_driver_sql(f"SET time_zone='+00:00' {mariadb_limit(seconds)}")


def mariadb_limit(seconds: float) -> str:
    """A part of SET that limits statements: each server skips the comment that is meant for the other."""
    # `M!` is MariaDB's, `!50708` (up to 50999) MySQL's.
    return f"/*M! , max_statement_time={round(seconds, 3)} */ /*!50708 , max_execution_time={milliseconds(seconds)} */"


class _Clock:
    """When a connection of SQLite is to stop what it does, by `time.monotonic`."""

    def __init__(self) -> None:
        self.until = math.inf

    def is_over(self) -> bool:
        """Asked by SQLite while it works."""
        return time.monotonic() > self.until


def start_clock(driver_connection: Any, record: ConnectionPoolEntry) -> None:
    """Have a new connection of SQLite look at the clock while it works."""
    clock = record.info[_CLOCK] = _Clock()
    watching = driver_connection.set_progress_handler(clock.is_over, _STEPS)
    if watching is not None:  # aiosqlite has its own thread do it.
        await_only(watching)


def limit_sqlite(connection: Connection, lock_seconds: float) -> None:
    """Wait no longer for a lock than what is left; put back as above.

    Raises:
        TooBusy: Nothing is left.
    """
    seconds = _seconds_left(connection, lock_seconds)
    if _has_to_be_set(connection, seconds, lock_seconds):
        connection.exec_driver_sql(f"PRAGMA busy_timeout={milliseconds(seconds)}")


def limit_sqlite_statement(connection: Connection, usual_seconds: float) -> None:
    """Give the next statement its time; migrations take as long as they need."""
    seconds = math.inf if connection.info.get(UNLIMITED) else usual_seconds
    until = connection.get_execution_options().get(_UNTIL, math.inf)
    connection.info[_CLOCK].until = min(time.monotonic() + seconds, until)


def _has_to_be_set(connection: Connection, seconds: float, usual_seconds: float) -> bool:
    """Whether a setting of the session differs from what it is to be: for a deadline, or since the last one had one."""
    was_limited, is_limited = connection.info.get(_LIMITED, False), seconds < usual_seconds
    connection.info[_LIMITED] = is_limited
    return was_limited or is_limited


def _seconds_left(connection: Connection, usual_seconds: float) -> float:
    until = connection.get_execution_options().get(_UNTIL)
    if until is None:
        return usual_seconds
    # One statement may begin in time, and the next one not.
    event.listen(connection, "before_cursor_execute", _refuse_late)
    return min(usual_seconds, _left(until))


def _refuse_late(connection: Connection, *_: Any) -> None:
    _left(connection.get_execution_options()[_UNTIL])


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TooBusy("The time that the request was given is over")
    return left
