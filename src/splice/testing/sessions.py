"""A session for `def` tests of an application whose driver is async: each call runs in the loop that it belongs to."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from anyio.from_thread import BlockingPortal
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.asyncio.session import AsyncSessionTransaction
from sqlalchemy.orm import ORMExecuteState

from splice.errors import SetupError

__all__ = ["PortalSession"]


class PortalSession:
    """The methods of a `Session`, carried out by an `AsyncSession` in another thread's event loop.

    What needs the database outside of a method has no loop to wait in: attributes that are loaded lazily. Load them
    with their entity, or inside of `run_sync(lambda session: user.posts)`, which gets the `Session` itself.
    """

    def __init__(self, session: AsyncSession, portal: BlockingPortal) -> None:
        self._session = session
        self._portal = portal
        sa.event.listen(session.sync_session, "do_orm_execute", _refuse_lazy_loads)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._session, name)
        return functools.partial(self._call, found) if inspect.ismethod(found) else found

    def __contains__(self, entity: object) -> bool:
        return entity in self._session

    def __iter__(self) -> Any:
        return iter(self._session)

    def run_sync(self, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run a function of the `Session` where it may load what is missing."""
        return self._portal.call(functools.partial(self._session.run_sync, work, *args, **options))

    def query(self, *entities: Any, **options: Any) -> Any:
        """Refused: a `Query` sends its statements outside of a method of the session."""
        raise NotImplementedError(
            "session.query() cannot wait for an async driver; write session.scalars(select(…)), or "
            "session.run_sync(lambda session: session.query(…).all())"
        )

    def _call(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        answer = self._portal.call(functools.partial(_awaited, method, *args, **options))
        if isinstance(answer, AsyncSessionTransaction):
            return self._portal.wrap_async_context_manager(answer)
        return answer


def _refuse_lazy_loads(state: ORMExecuteState) -> None:
    """Say what is missing, where the driver would only miss its loop."""
    if _is_in_loop():
        return
    path = state.loader_strategy_path
    attribute = str(path[-1]) if path else "an attribute"
    raise SetupError(
        f"{attribute} is loaded lazily, which an async driver cannot do; load it with its entity, for instance by "
        f".options(selectinload({attribute})), or read it inside of session.run_sync(lambda session: …)"
    )


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _awaited(method: Callable[..., Any], *args: Any, **options: Any) -> Any:
    answer = method(*args, **options)
    return await answer if inspect.iscoroutine(answer) else answer
