"""`install`: what a whole application owes its clients, and those who run it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi import exception_handlers as defaults
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp

from splice.answers import Installation, answer_to
from splice.database import Database
from splice.draining import Drain
from splice.errors import InternalError, Problem, SetupError
from splice.guard import Guard
from splice.pages import own_routes, take_over_docs
from splice.problems import Renderer, hoist, render
from splice.reports import report
from splice.services import learn_guards

__all__ = ["install"]


def install(  # noqa: PLR0913  # what a whole application may choose
    app: FastAPI,
    *databases: Database[Any],
    health: str | None = "/health",
    ready: str | None = "/ready",
    problems: str | None = "/problems",
    offline_docs: bool = True,
    drain_seconds: float = 0,
    renderer: Renderer | None = None,
) -> None:
    """Make a FastAPI application answer every failure by a problem document, and start and stop its databases.

    Call it before the application starts, before or after routers are included. Handlers for exceptions that the
    application registers itself, before or after, are kept. An application made with `debug=True` keeps Starlette's
    debug page for unhandled exceptions: it shows source and values, so it belongs on a developer's machine alone. An
    application mounted inside another needs `install` of its own; its lifespan never runs, its databases start at their
    first use.

    Args:
        app: Its lifespan is kept and runs inside that of the databases.
        databases: Started before the application's own lifespan, closed after it.
        health: Path that answers 200 as long as the process serves; never asks a database.
        ready: Path that answers 200 when every database does, else 503.
        problems: Path under which each problem type is explained; the `type` of documents begins with it.
        offline_docs: Serve the scripts of /docs and /redoc instead of linking to a CDN.
        drain_seconds: How long the service goes on after SIGTERM, not ready any more, so that balancers can leave it.
        renderer: Writes the answers, where it shall not be `application/problem+json`.

    Raises:
        SetupError: The application has already started, or was installed before.
    """
    if app.middleware_stack is not None:
        raise SetupError(
            "install() comes too late, the application has started; call it right after app = FastAPI(...)"
        )
    if hasattr(app.state, "splice"):
        raise SetupError("install() was called twice for one application; give all databases to one call")
    installation = Installation(
        databases, health, ready, problems, offline_docs, renderer, Drain(drain_seconds)
    )
    app.state.splice = installation
    _compose_lifespan(app, installation)
    _register_handlers(app, installation)
    _hoist_schema(app)
    _guard(app, installation)


def _compose_lifespan(app: FastAPI, installation: Installation) -> None:
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(served: Any) -> AsyncIterator[Any]:
        if app.middleware_stack is not None and not isinstance(app.middleware_stack, Guard):
            # Instrumentation that came after install has built its stack from the inside of the guard.
            app.middleware_stack = Guard(app.middleware_stack, installation, debug=app.debug)
        async with AsyncExitStack() as stack:
            for database in installation.databases:
                await stack.enter_async_context(database.lifespan(served))
            state = await stack.enter_async_context(inner(served))
            with installation.drain.watching():
                yield state

    app.router.lifespan_context = lifespan


_Handler: TypeAlias = Callable[[Any, Any], Any]


def _register_handlers(app: FastAPI, installation: Installation) -> None:
    async def answer_known(connection: HTTPConnection, error: Exception) -> Response:
        answer = answer_to(error, connection.scope, installation)
        if answer is None or connection.scope["type"] != "http":
            raise error
        if answer.status >= 500:
            report(error, answer, connection.scope)
        return render(answer, connection.scope)

    async def answer_http(connection: HTTPConnection, error: HTTPException) -> Response:
        if error.status_code < 400 or connection.scope["type"] != "http":
            return await defaults.http_exception_handler(connection, error)  # type: ignore[arg-type]  # as FastAPI does
        return await answer_known(connection, error)

    async def answer_unforeseen(request: Request, error: Exception) -> Response:
        return render(answer_to(error, request.scope, installation) or InternalError(), request.scope)

    _register(app, Problem, answer_known)
    _register(app, SQLAlchemyError, answer_known)
    _register(app, RequestValidationError, answer_known, defaults.request_validation_exception_handler)
    _register(app, HTTPException, answer_http, defaults.http_exception_handler)
    if 500 not in app.exception_handlers:
        _register(app, Exception, answer_unforeseen)


def _register(
    app: FastAPI, kind: type[Exception], handler: _Handler, default: _Handler | None = None
) -> None:
    """Register a handler, unless the application has one of its own."""
    if app.exception_handlers.get(kind, default) is default:
        app.exception_handlers[kind] = handler


def _guard(app: FastAPI, installation: Installation) -> None:
    build = app.build_middleware_stack

    def build_middleware_stack() -> ASGIApp:
        _add_routes(app, installation)
        learn_guards(app)
        return Guard(build(), installation, debug=app.debug)

    # On the instance: classes, and so other applications, stay as they are.
    app.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]


def _add_routes(app: FastAPI, installation: Installation) -> None:
    """Add the routes of the installation, save where the application has one of the same path.

    This waits until the application starts: before that nobody knows its routes.
    """
    taken = {_shape(route.path) for route in iter_route_contexts(app.routes)}
    routes = [*own_routes(installation), *(take_over_docs(app) if installation.offline_docs else ())]
    for route in routes:
        if _shape(route.path) not in taken:
            # Last costs other requests nothing; but a route for all paths, such as static files at `/`, would hide it.
            app.router.routes.insert(0 if _is_hidden(app, route) else len(app.router.routes), route)


def _is_hidden(app: FastAPI, route: Route) -> bool:
    scope = {"type": "http", "method": "GET", "path": route.path, "root_path": "", "headers": []}
    return any(other.matches({**scope})[0] is Match.FULL for other in app.router.routes)


def _shape(path: str | None) -> str:
    return re.sub(r"{[^}]*}", "{}", path or "").rstrip("/")


def _hoist_schema(app: FastAPI) -> None:
    build = app.openapi
    hoisted: dict[str, Any] | None = None

    def openapi() -> dict[str, Any]:
        nonlocal hoisted
        learn_guards(app)
        schema = build()
        if schema is not hoisted:
            # In FastAPI's own cache, so that it is made again when routes are added.
            hoisted = app.openapi_schema = hoist(schema)
        return hoisted

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema
