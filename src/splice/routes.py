"""The route class of a Resource: one trailing slash ignored, validation as problems, own results settled."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

import sqlalchemy as sa
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession, async_session
from sqlalchemy.orm import Session, object_session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from splice.binds import AnySession
from splice.bridge import is_async_callable, run_on
from splice.errors import Problem
from splice.operations import Subject, commit, write_out
from splice.problems import from_content_length, from_reading, from_validation, render

__all__ = ["ResourceRoute", "settled"]

_MAX_SETTLED: Final = 1_000
"""Entities of one result that are looked at; a list longer than a page is not a row just written."""


class ResourceRoute(APIRoute):
    """A route that ignores one trailing slash and answers its problems even in an app without `install`."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As FastAPI does, with one slash less where there is one too many."""
        if scope["type"] == "http" and _is_redirect(scope):
            return Match.NONE, {}
        match, child_scope = super().matches(scope)
        if match is not Match.NONE or scope["type"] != "http":
            return match, child_scope
        if _has_trailing_slash(scope):
            return super().matches({**scope, "path": scope["path"][:-1]})
        if self.path.endswith("/") and not scope["path"].endswith("/"):
            return super().matches({**scope, "path": f"{scope['path']}/"})
        return match, child_scope

    def get_route_handler(self) -> Callable[[Request], Any]:
        """FastAPI's handler; what it cannot read or does not accept is raised as a problem."""
        handler = super().get_route_handler()

        async def naming_validation(request: Request) -> Any:
            refusal = from_content_length(request.scope)
            if refusal is not None:
                raise refusal
            try:
                return await handler(request)
            except HTTPException as error:
                problem = from_reading(error)
                if problem is None:
                    raise
                raise problem from error
            except RequestValidationError as error:
                # Raised, not answered: the unit of work has to see it and roll back.
                raise from_validation(error.errors(), error.body) from error

        return naming_validation

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, also where no handler of the application answers for problems."""
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await super().handle(scope, receive, sending)
        except Problem as problem:
            if started:
                raise
            await render(problem, scope)(scope, receive, send)


def settled(endpoint: Callable[..., Any], subject: Subject, *, commits: bool) -> Callable[..., Any]:
    """The same endpoint, whose returned entities are flushed and refreshed before they are serialised.

    FastAPI serialises before the unit of work ends, so before its flush: without this, a new row would be sent without
    its key, and a changed one without what the database makes of it. Where the resource commits for a dependency that
    does not, the sessions that the endpoint was given are committed too, or its answer would speak of nothing stored.
    """
    if inspect.isgeneratorfunction(endpoint) or inspect.isasyncgenfunction(endpoint):
        return endpoint

    @functools.wraps(endpoint)
    async def settling(*arguments: Any, **named: Any) -> Any:
        if is_async_callable(endpoint):
            result = await endpoint(*arguments, **named)
        else:
            result = await run_in_threadpool(endpoint, *arguments, **named)
        await _settle(result, subject)
        for session in _sessions(named.values()) if commits else ():
            await run_on(session, lambda inner: _commit(inner, subject))
        return result

    return settling


def _sessions(given: Iterable[Any]) -> list[AnySession]:
    """The sessions among the arguments of an endpoint, and those of the rows among them."""
    found: dict[int, AnySession] = {}
    for value in given:
        inner = value.sync_session if isinstance(value, AsyncSession) else value
        inner = object_session(inner) if next(_entities(inner), None) is not None else inner
        if isinstance(inner, Session):
            found[id(inner)] = async_session(inner) or inner
    return list(found.values())


def _commit(session: Session, subject: Subject) -> None:
    # Expired attributes would be loaded while FastAPI serialises, when nobody can wait for the database.
    expires, session.expire_on_commit = session.expire_on_commit, False
    try:
        commit(session, subject)
    finally:
        session.expire_on_commit = expires


async def _settle(result: Any, subject: Subject) -> None:
    entities = [entity for entity in _entities(result) if _is_unsettled(entity, subject)]
    if entities:
        session = cast("Session", object_session(entities[0]))
        await run_on(async_session(session) or session, lambda inner: write_out(inner, subject, entities))


def _entities(result: Any) -> Iterator[Any]:
    for part in result[:_MAX_SETTLED] if isinstance(result, list | tuple) else (result,):
        if sa.inspect(part, raiseerr=False) is not None and hasattr(part, "_sa_instance_state"):
            yield part


def _is_unsettled(entity: Any, subject: Subject) -> bool:
    """New, changed, or with attributes that the database has to supply."""
    state = sa.inspect(entity)
    if state.session is None:
        return False
    shown = subject.shape.relations if isinstance(entity, subject.description.model) else ()
    return bool(state.pending or state.modified or state.expired_attributes or state.unloaded & set(shown))


def _is_redirect(scope: Scope) -> bool:
    """Starlette tries a path without its slash, to redirect there: not to another row, where the slash was `%2F`."""
    raw = scope.get("raw_path") or b""
    return not scope["path"].endswith("/") and (raw.endswith(b"/") or raw[-3:].upper() == b"%2F")


def _has_trailing_slash(scope: Scope) -> bool:
    """One slash that the client wrote as such: `%2F` belongs to a key, and must not lead to another row."""
    path, raw = scope["path"], scope.get("raw_path") or b"/"
    return len(path) > 1 and path.endswith("/") and not path.endswith("//") and raw.endswith(b"/")
