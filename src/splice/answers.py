"""What an installed application answers to an exception: of splice, of FastAPI and Starlette, of a driver."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Router
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from splice.database import Database
from splice.description import Description
from splice.draining import Drain
from splice.errors import InternalError, MethodNotAllowed, Problem, RouteNotFound
from splice.faults import translate
from splice.problems import (
    Answer,
    Renderer,
    allowed_methods,
    answer_of,
    from_http_exception,
    from_reading,
    from_validation,
)

__all__ = ["UNROUTED", "Installation", "answer_to", "answer_to_http"]


@dataclass(frozen=True, slots=True)
class Installation:
    """What `install` was given; stands in `app.state.splice`. A path that is None is not served."""

    databases: tuple[Database[Any], ...]
    health: str | None
    ready: str | None
    problems: str | None
    offline_docs: bool
    renderer: Renderer | None
    drain: Drain

    @property
    def tables(self) -> Mapping[str, Description]:
        """The tables of all databases: a constraint is looked up in them."""
        return {name: table for database in self.databases for name, table in database.tables.items()}


def answer_to(error: Exception, scope: Scope, installation: Installation) -> Answer | None:
    """What to answer to an error; None when it is a mistake of the service."""
    if isinstance(error, HTTPException):
        return answer_to_http(error, scope) if error.status_code >= 400 else None
    problem = _problem_of(error, installation)
    return None if problem is None else answer_of(problem)


def _problem_of(error: Exception, installation: Installation) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return from_validation(error.errors(), error.body)
    return translate(error, installation.tables, "commit" if _was_committing(error) else "write")


def _was_committing(error: Exception) -> bool:
    """Whether a session of the user's own was sending COMMIT: a write may be stored although its connection is lost."""
    return any(frame.f_code.co_name == "do_commit" for frame, _ in traceback.walk_tb(error.__traceback__))


def answer_to_http(error: HTTPException, scope: Scope) -> Answer:
    """What routing, the body limit and FastAPI itself mean by their exceptions; those of the user keep their words."""
    problem, headers = _meaning(error, scope), dict(error.headers or {})
    if isinstance(problem, MethodNotAllowed):
        headers["Allow"] = ", ".join(_allowed(scope))
    return from_http_exception(error) if problem is None else replace(answer_of(problem), headers=headers)


def _meaning(error: HTTPException, scope: Scope) -> Problem | None:
    match error.status_code, error.detail:
        case 404, "Not Found" if isinstance(scope.get("endpoint"), UNROUTED):
            return RouteNotFound("Nothing is served at this path")
        case 405, "Method Not Allowed" if scope["method"] not in _allowed(scope):
            return MethodNotAllowed(f"{scope['method']} is not allowed here")
        case 500, "Internal Server Error":
            return InternalError()
    return from_reading(error)


# What `endpoint` is when no function was reached: nothing, or what stands at a mount.
UNROUTED: Final = (type(None), Starlette, Router, StaticFiles)


def _allowed(scope: Scope) -> Sequence[str]:
    return allowed_methods(scope["app"], scope)
