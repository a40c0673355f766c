"""The bridge between async and sync: a function of a sync `Session`, run on whichever session there is.

Everything that touches the database is such a function, and so are the hooks of users.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy.ext.asyncio import AsyncSession, async_session
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from splice.binds import AnySession
from splice.errors import SetupError

__all__ = [
    "HAS_PLACE",
    "call_hook",
    "drop_connection",
    "is_async_callable",
    "plain_hook",
    "release",
    "run_afresh",
    "run_on",
]

_T = TypeVar("_T")

HAS_PLACE: Final = "splice_has_place"
"""Set in the `info` of a session that was let through the gate."""

_DROP_SECONDS: Final = 2.0

_LOGGER: Final = logging.getLogger("splice")


async def run_on(session: AnySession, work: Callable[[Session], _T]) -> _T:
    """Run a function of a sync `Session` on whichever session there is.

    An `AsyncSession` runs it through SQLAlchemy's greenlet bridge, a `Session` in one worker thread.
    """
    if isinstance(session, AsyncSession):
        return await session.run_sync(work)
    limiter = _thread_limiter(session)
    thread = asyncio.ensure_future(anyio.to_thread.run_sync(work, session, limiter=limiter))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        # A thread cannot be stopped, and nobody else may touch its session, not even to close it.
        await _finished(thread)
        raise


async def run_afresh(session: AnySession, work: Callable[[Session], _T]) -> _T:
    """The same; where it fails nothing is left of it, so that the session can run it again."""

    def undone(inner: Session) -> _T:
        try:
            return work(inner)
        except Exception:
            inner.rollback()
            inner.expunge_all()
            raise

    return await run_on(session, undone)


async def _finished(thread: asyncio.Future[Any]) -> None:
    """Wait for a thread whatever cancels the waiting: anyio by its scopes, or asyncio by itself."""
    with anyio.CancelScope(shield=True):
        while not thread.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([thread])
    if not thread.cancelled():
        thread.exception()  # Seen: it goes the way of the cancellation.


def call_hook(session: Session, hook: Callable[..., Any], *args: Any) -> Any:
    """Call a user's hook, of either kind, from inside a function that `run_on` runs."""
    return plain_hook(hook)(session, *args)


def plain_hook(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Make a user's hook a plain function, to be called inside a function that `run_on` runs.

    A `def` hook stays as it is. An `async def` hook is awaited through SQLAlchemy's bridge, and gets the `AsyncSession`
    wherever a `Session` is passed.

    Raises:
        SetupError: When called: the hook is async, but the session comes from a sync driver.
    """
    return functools.partial(_call_async, hook) if is_async_callable(hook) else hook


def is_async_callable(function: Callable[..., Any]) -> bool:
    """Whether a call has to be awaited: of an `async def`, a partial of one, or an object with `async def __call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def release(session: Session) -> None:
    """Roll back what is open and give the connection back, or drop it; only cancellation passes."""
    try:
        session.rollback()
        session.close()
    except Exception as error:  # noqa: BLE001  # whatever it is, the answer stands: the unit has ended already
        _LOGGER.warning("a session could not be closed, its connection is dropped: %s", type(error).__name__)
        session.invalidate()


async def drop_connection(session: AnySession) -> None:
    """Close the connection of a session that may be in the middle of something."""
    with anyio.move_on_after(_DROP_SECONDS, shield=True):
        try:
            await run_on(session, Session.invalidate)
        except Exception as error:  # noqa: BLE001  # as above
            _LOGGER.warning("a connection could not be dropped: %s", type(error).__name__)


def _thread_limiter(session: Session) -> anyio.CapacityLimiter | None:
    # A session that has its place, or a connection already, must not queue behind threads that wait for one.
    return anyio.CapacityLimiter(1) if session.info.get(HAS_PLACE) or session.in_transaction() else None


def _call_async(hook: Callable[..., Any], *args: Any) -> Any:
    return await_only(hook(*(_async_twin(argument) for argument in args)))


def _async_twin(argument: Any) -> Any:
    if not isinstance(argument, Session):
        return argument
    around = async_session(argument)
    if around is None:
        raise SetupError("an async hook needs an async driver; write the hook as a plain def")
    return around
