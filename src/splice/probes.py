"""Whether a database answers: asked for readiness, and waited for at the start."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import anyio
import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session

from splice.binds import AnySession
from splice.bridge import drop_connection, release
from splice.errors import DatabaseUnavailable
from splice.unreachable import database_failure, may_come_up

__all__ = ["ping", "wait_for"]

_PING_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.25

_LOGGER: Final = logging.getLogger("splice")


async def ping(make_session: Callable[[], AnySession]) -> None:
    """Ask the database whether it answers, for 2 seconds at most.

    Raises:
        DatabaseUnavailable: It does not.
    """
    try:
        await _asked(make_session)
    except Exception as error:
        raise DatabaseUnavailable(retry_after_seconds=2) from error


async def wait_for(make_session: Callable[[], AnySession], url: URL, seconds: float) -> None:
    """Wait until the database answers; the log says that and why, once.

    Raises:
        SetupError: It does not answer in time, or has answered that it will not have us; the message holds the fix.
    """
    until, said = time.monotonic() + seconds, False
    while True:
        try:
            return await _asked(make_session)
        except Exception as error:
            failure = database_failure(error, url)
            if failure is None:
                raise
            if not may_come_up(error) or time.monotonic() > until:
                raise failure from error
            if not said:
                _LOGGER.warning("waiting %g seconds for the database: %s", seconds, failure)
        said = True
        await anyio.sleep(_PAUSE_SECONDS)


async def _asked(make_session: Callable[[], AnySession]) -> None:
    with anyio.fail_after(_PING_SECONDS):
        await _probe(make_session())


async def _probe(session: AnySession) -> None:
    if isinstance(session, Session):
        # Left behind when time is up: a thread cannot be stopped, and closes the session itself.
        await anyio.to_thread.run_sync(
            _ask, session, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
        )
        return
    try:
        await session.run_sync(_ask)
    except BaseException:
        await drop_connection(session)
        raise


def _ask(session: Session) -> None:
    try:
        session.scalar(sa.select(1))
    finally:
        release(session)
