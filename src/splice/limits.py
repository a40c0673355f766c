"""How long a request may take, told to its database: what is left of a deadline becomes the limit of statements.

Each function is called where a transaction begins, and reads the deadline from the options of the connection.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from splice.errors import TooBusy

__all__ = [
    "limit_mariadb",
    "limit_postgresql",
    "limit_sqlite",
    "mariadb_limit",
    "milliseconds",
    "set_in_transaction",
    "with_deadline",
]

_UNTIL: Final = "splice_until"
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
    if seconds < usual_seconds or connection.info.pop(_LIMITED, False):
        connection.exec_driver_sql(f"SET time_zone='+00:00' {mariadb_limit(seconds)}")
        connection.info[_LIMITED] = seconds < usual_seconds


def mariadb_limit(seconds: float) -> str:
    """A part of SET that limits statements: each server skips the comment that is meant for the other."""
    # `M!` is MariaDB's, `!50708` (up to 50999) MySQL's.
    return f"/*M! , max_statement_time={round(seconds, 3)} */ /*!50708 , max_execution_time={milliseconds(seconds)} */"


def limit_sqlite(connection: Connection, lock_seconds: float) -> None:
    """Have SQLite look at the clock while it works, and wait no longer for a lock; put back as above.

    Raises:
        TooBusy: Nothing is left.
    """
    until = connection.get_execution_options().get(_UNTIL)
    if until is None and not connection.info.pop(_LIMITED, False):
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout={milliseconds(_seconds_left(connection, lock_seconds))}")
    _watch_clock(connection, None if until is None else lambda: time.monotonic() > until)
    connection.info[_LIMITED] = until is not None


def _watch_clock(connection: Connection, is_over: Callable[[], bool] | None) -> None:
    driver: Any = connection.connection.driver_connection
    watching = driver.set_progress_handler(is_over, _STEPS)
    if watching is not None:  # aiosqlite has its own thread do it.
        await_only(watching)


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
