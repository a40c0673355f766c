"""How a generated operation is run: in whose transaction, how often, and for how long."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

import anyio
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from splice import operations
from splice.binds import AnySession
from splice.bridge import HAS_PLACE, run_afresh, run_on
from splice.database import UNTIL, begin_commit, seconds_to
from splice.errors import CommitUnknown, TooBusy
from splice.repeats import repeated
from splice.services import Service
from splice.surroundings import surroundings_of

__all__ = ["is_shared", "run_unit", "write_unit"]

_T = TypeVar("_T")

_GRACE_SECONDS: Final = 1.0
"""The server is to end a statement by itself, if it can: its connection is worth keeping."""


async def write_unit(
    service: Service, request: Request, session: AnySession, work: Callable[[Session], _T]
) -> _T:
    """Run a verb that writes, and commit where nobody else does, or has anything to add.

    Raises:
        TooBusy: It was not done in time, and nothing of it is stored.
        CommitUnknown: Its COMMIT was not done in time.
    """
    is_own = _is_own(service, request, session)
    if not service.commits and not is_own:
        return await run_on(session, work)
    if not is_own or service.subject.hooks.share_the_unit:
        return await _committed(run_on, service, session, work)
    return await _again(service, session, lambda: _committed(run_afresh, service, session, work))


async def run_unit(
    service: Service, request: Request, session: AnySession, work: Callable[[Session], _T]
) -> _T:
    """Run a verb that reads, and again where its unit of work is nobody else's and that may help.

    Raises:
        TooBusy: It was not done in time.
    """
    if not _is_own(service, request, session):
        return await run_on(session, work)
    return await _again(service, session, lambda: run_afresh(session, work))


async def _again(service: Service, session: AnySession, unit: Callable[[], Awaitable[_T]]) -> _T:
    until = session.info[UNTIL]
    late = None if until is None else until + _GRACE_SECONDS
    # Nobody else ends a statement whose server has fallen silent.
    with anyio.move_on_after(seconds_to(late, _patience_of(service))):
        return await repeated(unit, until)
    raise TooBusy("The database did not finish in time", retry_after_seconds=2)


async def _committed(
    run: Callable[[AnySession, Callable[[Session], Any]], Awaitable[Any]],
    service: Service,
    session: AnySession,
    work: Callable[[Session], _T],
) -> _T:
    """Run a unit with its COMMIT, which no cancellation interrupts: nobody would know whether it was made."""

    def commit(inner: Session) -> None:
        begin_commit(inner)
        operations.commit(inner, service.subject)

    def unit(inner: Session) -> _T:
        result = work(inner)
        commit(inner)
        return result

    if not isinstance(session, AsyncSession):
        # One thread for all of it, and no thread is interrupted.
        return cast("_T", await run(session, unit))
    result: _T = await run(session, work)
    with anyio.move_on_after(_patience_of(service), shield=True):
        await run(session, commit)
        return result
    raise CommitUnknown(hint="read what is stored before sending the request again")


def _patience_of(service: Service) -> float:
    return math.inf if service.db is None else service.db.patience_seconds


def _is_own(service: Service, request: Request, session: AnySession) -> bool:
    """Whether a session has nothing to do but this operation: it came from the database, and only to this route."""
    if HAS_PLACE not in session.info:
        return False
    # What stands in for a dependency may work on the session too, and is not looked into.
    return not request.scope["app"].dependency_overrides and not is_shared(service, request)


def is_shared(service: Service, request: Request) -> bool:
    """Whether another dependency of this route works on the session: it may have set a tenant that rows depend on."""
    session, around = None if service.db is None else service.db.session.dependency, surroundings_of(request)
    return session is None or around.calls.count(session) > around.places
