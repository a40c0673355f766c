"""How a generated operation is run: in whose transaction, how often, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import anyio
from fastapi import Request
from sqlalchemy.orm import Session

from splice import operations
from splice.binds import AnySession
from splice.bridge import HAS_PLACE, run_afresh, run_on
from splice.database import UNTIL, seconds_to
from splice.errors import CommitUnknown, TooBusy
from splice.repeats import repeated
from splice.services import Service
from splice.surroundings import surroundings_of

__all__ = ["is_shared", "run_unit", "write_unit"]

_T = TypeVar("_T")

_COMMITTING: Final = "splice_committing"
"""In the `info` of a session: that its last operation has come to its COMMIT."""


async def write_unit(
    service: Service, request: Request, session: AnySession, work: Callable[[Session], _T]
) -> _T:
    """Run a verb that writes, and commit where nobody else does, or has anything to add."""
    commits = service.commits or _is_own(service, request, session)

    def unit(inner: Session) -> _T:
        inner.info[_COMMITTING] = False
        result = work(inner)
        if commits:
            inner.info[_COMMITTING] = True
            operations.commit(inner, service.subject)
        return result

    return await run_unit(
        service, request, session, unit, repeatable=not service.subject.hooks.share_the_unit
    )


async def run_unit(
    service: Service,
    request: Request,
    session: AnySession,
    unit: Callable[[Session], _T],
    *,
    repeatable: bool = True,
) -> _T:
    """Run a whole unit of work, and again where it is nobody else's and that may help.

    Raises:
        TooBusy: It was not done in time, and nothing of it is stored.
        CommitUnknown: The same at its COMMIT.
    """
    if service.db is None or not repeatable or not _is_own(service, request, session):
        return await run_on(session, unit)
    until = session.info[UNTIL]
    # Nobody else ends a statement whose server has fallen silent.
    with anyio.move_on_after(seconds_to(until, service.db.patience_seconds)):
        return await repeated(lambda: run_afresh(session, unit), until)
    if session.info.get(_COMMITTING):
        raise CommitUnknown(hint="read what is stored before sending the request again")
    raise TooBusy("The database did not finish in time", retry_after_seconds=2)


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
