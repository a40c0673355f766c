"""`install`: what a whole application owes its clients, and those who run it."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from fastapi import FastAPI
from fastapi import exception_handlers as defaults
from fastapi.exceptions import RequestValidationError, ValidationException
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.routing import iter_route_contexts
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Match, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from splice.database import Database
from splice.description import Description
from splice.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    InternalError,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    Problem,
    RouteNotFound,
    SetupError,
)
from splice.faults import translate
from splice.problems import (
    Answer,
    Renderer,
    allowed_methods,
    answer_of,
    begin_exchange,
    end_exchange,
    exchange_of,
    explain,
    explain_as_page,
    from_http_exception,
    from_validation,
    hoist,
    render,
)

__all__ = ["AnswerBrokenOff", "Installation", "install"]

_log: Final = logging.getLogger("splice")


@dataclass(frozen=True, slots=True)
class Installation:
    """What `install` was given; stands in `app.state.splice`. A path that is None is not served."""

    databases: tuple[Database[Any], ...]
    health: str | None
    ready: str | None
    problems: str | None
    offline_docs: bool
    renderer: Renderer | None

    @property
    def tables(self) -> Mapping[str, Description]:
        """The tables of all databases: a constraint is looked up in them."""
        return {name: table for database in self.databases for name, table in database.tables.items()}


class AnswerBrokenOff(RuntimeError):
    """Raised to the server in place of an error that speaks of data, so that it ends the connection and logs nothing.

    The log of `splice` has the cause under the request id.
    """


def install(
    app: FastAPI,
    *databases: Database[Any],
    health: str | None = "/health",
    ready: str | None = "/ready",
    problems: str | None = "/problems",
    offline_docs: bool = True,
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
    installation = Installation(databases, health, ready, problems, offline_docs, renderer)
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
            yield await stack.enter_async_context(inner(served))

    app.router.lifespan_context = lifespan


Handler: TypeAlias = Callable[[Any, Any], Any]


def _register_handlers(app: FastAPI, installation: Installation) -> None:
    async def answer_known(connection: HTTPConnection, error: Exception) -> Response:
        answer = _answer_to(error, connection.scope, installation)
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
        return render(_answer_to(error, request.scope, installation) or InternalError(), request.scope)

    _register(app, Problem, answer_known)
    _register(app, SQLAlchemyError, answer_known)
    _register(app, RequestValidationError, answer_known, defaults.request_validation_exception_handler)
    _register(app, HTTPException, answer_http, defaults.http_exception_handler)
    if 500 not in app.exception_handlers:
        _register(app, Exception, answer_unforeseen)


def _register(app: FastAPI, kind: type[Exception], handler: Handler, default: Handler | None = None) -> None:
    """Register a handler, unless the application has one of its own."""
    if app.exception_handlers.get(kind, default) is default:
        app.exception_handlers[kind] = handler


def _answer_to(error: Exception, scope: Scope, installation: Installation) -> Answer | None:
    """What to answer to an error; None when it is a mistake of the service."""
    if isinstance(error, HTTPException):
        return _answer_to_http(error, scope) if error.status_code >= 400 else None
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


def _answer_to_http(error: HTTPException, scope: Scope) -> Answer:
    """What routing, the body limit and FastAPI itself mean by their exceptions; those of the user keep their words."""
    problem, headers = _meaning(error, scope), dict(error.headers or {})
    if isinstance(problem, MethodNotAllowed):
        headers["Allow"] = ", ".join(_allowed(scope))
    return from_http_exception(error) if problem is None else replace(answer_of(problem), headers=headers)


def _meaning(error: HTTPException, scope: Scope) -> Problem | None:
    match error.status_code, error.detail:
        case 400, "There was an error parsing the body":
            return MalformedBody("The body cannot be read", hint="send one JSON value, in UTF-8")
        case 404, "Not Found" if isinstance(scope.get("endpoint"), _UNROUTED):
            return RouteNotFound("Nothing is served at this path")
        case 405, "Method Not Allowed" if scope["method"] not in _allowed(scope):
            return MethodNotAllowed(f"{scope['method']} is not allowed here")
        case 413, "Content Too Large" | "Request Entity Too Large":
            return BodyTooLarge("The body is larger than this service accepts")
        case 500, "Internal Server Error":
            return InternalError()
    return None


# What `endpoint` is when no function was reached: nothing, or what stands at a mount.
_UNROUTED: Final = (type(None), Starlette, Router, StaticFiles)


def _allowed(scope: Scope) -> Sequence[str]:
    return allowed_methods(scope["app"], scope)


def report(error: BaseException, answer: Answer | None, scope: Scope) -> None:
    """Write a failure of the service to the log of `splice`, once.

    A foreseen one (503, a database that is away or too busy) takes a line. An error that speaks of data (of SQLAlchemy,
    a driver or Pydantic, anywhere in its chain) is reduced to class names, SQLSTATE and frames: no SQL, no text of a
    driver, no values.
    """
    exchange = exchange_of(scope)
    if any(error is reported for reported in exchange.reported) or isinstance(error, ClientDisconnect):
        return
    exchange.reported.append(error)
    path = quote(scope["path"], errors="replace")
    context = {"method": scope["method"], "path": path, "request_id": exchange.request_id}
    if answer is not None and answer.code != InternalError.code:
        names = ", ".join(_name(each) for each in _chain(error))
        _log.warning("%s %s, request %s: %s (%s)", *context.values(), answer.title, names, extra=context)
    else:
        told = "".join(_without_data(error) if speaks_of_data(error) else traceback.format_exception(error))
        _log.error("%s %s, request %s: unhandled exception\n%s", *context.values(), told, extra=context)


def speaks_of_data(error: BaseException) -> bool:
    """Whether the text of an error, or of one that led to it, may hold SQL or values."""
    return any(_holds_data(each) for each in _chain(error))


def _holds_data(error: BaseException) -> bool:
    if isinstance(error, SQLAlchemyError | ValidationError | ValidationException):
        return True
    return any(cls.__module__.partition(".")[0] in _DRIVERS for cls in type(error).__mro__)


_DRIVERS: Final = frozenset(
    {
        "aiomysql",
        "aiosqlite",
        "asyncmy",
        "asyncpg",
        "mariadb",
        "MySQLdb",
        "mysql",
        "oracledb",
        "pg8000",
        "psycopg",
    }
    | {"psycopg2", "pymssql", "pymysql", "pyodbc", "sqlite3"}
)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and each that led to it, however they are tied together."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or any(each is known for known in found):
            continue
        yield each
        found.append(each)
        waiting += [each.__cause__, each.__context__]
        waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _without_data(error: BaseException) -> Iterator[str]:
    for each in _chain(error):
        yield f"{_name(each)}\n"
        for frame, line in traceback.walk_tb(each.__traceback__):
            # Without the line of source: it may be SQL.
            yield f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}\n'


def _name(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return f"{type(error).__module__}.{type(error).__qualname__}" + (f" [{state}]" if state else "")


def _guard(app: FastAPI, installation: Installation) -> None:
    build = app.build_middleware_stack

    def build_middleware_stack() -> ASGIApp:
        _add_routes(app, installation)
        return Guard(build(), installation, debug=app.debug)

    # On the instance: classes, and so other applications, stay as they are.
    app.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]


class Guard(ServerErrorMiddleware):
    """Stands outside of everything else: whatever happens, the client gets one whole answer, and the log one entry.

    An unhandled exception that was answered in full ends here, else the server would close a connection that other
    requests share. One that comes when the answer has begun goes on to the server, which can only break it off.
    """

    def __init__(self, stack: ASGIApp, installation: Installation, *, debug: bool) -> None:
        if type(stack) is ServerErrorMiddleware:
            # It takes that one's place: OpenTelemetry's instrumentation takes the outermost middleware apart.
            super().__init__(stack.app, stack.handler, stack.debug)
        else:
            super().__init__(stack)
        self._installation = installation
        self._has_debug_page = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        outer = begin_exchange(scope, self._installation.problems, self._installation.renderer)
        outgoing = _Outgoing(scope, send, has_debug_page=self._has_debug_page)
        try:
            failure = await self._run(scope, receive, outgoing)
            if failure is not None:
                await self._settle(failure, scope, receive, outgoing)
        finally:
            end_exchange(scope, outer)

    async def _run(self, scope: Scope, receive: Receive, outgoing: _Outgoing) -> Exception | None:
        try:
            await super().__call__(scope, receive, outgoing)
        except Exception as error:  # noqa: BLE001  # that is what a guard is for
            return error
        return None

    async def _settle(self, error: Exception, scope: Scope, receive: Receive, outgoing: _Outgoing) -> None:
        answer = _answer_to(error, scope, self._installation)
        if answer is None or answer.status >= 500:
            report(error, answer, scope)
        if not outgoing.begun:
            await render(answer or InternalError(), scope)(scope, receive, outgoing.pass_on)
        elif not outgoing.complete:
            raise _fit_for_servers(error, scope)


def _fit_for_servers(error: Exception, scope: Scope) -> Exception:
    """What a server may write to its own log."""
    if not speaks_of_data(error):
        return error
    exchange = exchange_of(scope)
    broken = AnswerBrokenOff(
        f"the answer to request {exchange.request_id} broke off; see the log of 'splice'"
    )
    exchange.reported.append(broken)
    return broken


class _Outgoing:
    """An answer on its way out: takes the request id along, and turns a plain text of Starlette's into a document."""

    def __init__(self, scope: Scope, send: Send, *, has_debug_page: bool) -> None:
        self.begun = False
        self.complete = False
        self._scope = scope
        self._send = send
        # The debug page is a plain text for clients that are no browsers.
        self._texts = {**_TEXTS, 500: ()} if has_debug_page else _TEXTS
        self._held: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in self._texts:
            # Its body shows whether it is one of those texts.
            self._held = message
        elif self._held is None:
            await self.pass_on(message)
        else:
            held, self._held = self._held, None
            await self._release(held, message)

    async def _release(self, start: Message, message: Message) -> None:
        if self._is_plain(start["status"], message.get("body", b"")) and not message.get("more_body", False):
            await self._rewrite(start, message["body"])
        else:
            await self.pass_on(start)
            await self.pass_on(message)

    def _is_plain(self, status: int, body: bytes) -> bool:
        # A function that answers in these words means them; only 413 and 500 are said in its stead.
        unrouted = status in {413, 500} or isinstance(self._scope.get("endpoint"), _UNROUTED)
        return unrouted and any(body == text or body.startswith(text + b" ") for text in self._texts[status])

    async def _rewrite(self, start: Message, body: bytes) -> None:
        text = "Content Too Large" if start["status"] == 413 else body.decode()
        response = render(_answer_to_http(HTTPException(start["status"], text), self._scope), self._scope)
        written = {name for name, _ in response.raw_headers}
        response.raw_headers += [header for header in start["headers"] if header[0].lower() not in written]
        await response(self._scope, _read_nothing, self.pass_on)

    async def pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._identify(message)
            self.begun = True
        await self._send(message)
        ends = message["type"] in {"http.response.body", "http.response.pathsend"}
        self.complete = self.complete or (ends and not message.get("more_body", False))

    def _identify(self, start: Message) -> None:
        headers = list(start.get("headers", ()))
        if all(name.lower() != b"x-request-id" for name, _ in headers):
            headers.append((b"x-request-id", exchange_of(self._scope).request_id.encode()))
        start["headers"] = headers


async def _read_nothing() -> Message:
    raise RuntimeError("a problem document reads nothing from the client")


# How the answers begin that Starlette gives outside of every exception handler; and FastAPI's own where a mounted
# application meets the body limit of the one around it.
_TEXTS: Final[Mapping[int, Sequence[bytes]]] = {
    400: (b"Invalid host header", b"Disallowed CORS"),
    404: (b"Not Found",),
    405: (b"Method Not Allowed",),
    413: (b"Content Too Large", b'{"detail":"Content Too Large"}'),
    500: (b"Internal Server Error",),
}


def _add_routes(app: FastAPI, installation: Installation) -> None:
    """Add the routes of the installation, save where the application has one of the same path.

    This waits until the application starts: before that nobody knows its routes.
    """
    taken = {_shape(route.path) for route in iter_route_contexts(app.routes)}
    routes = [*_own_routes(installation), *(_take_over_docs(app) if installation.offline_docs else ())]
    for route in routes:
        if _shape(route.path) not in taken:
            # Last costs other requests nothing; but a route for all paths, such as static files at `/`, would hide it.
            app.router.routes.insert(0 if _is_hidden(app, route) else len(app.router.routes), route)


def _is_hidden(app: FastAPI, route: Route) -> bool:
    scope = {"type": "http", "method": "GET", "path": route.path, "root_path": "", "headers": []}
    return any(other.matches({**scope})[0] is Match.FULL for other in app.router.routes)


def _shape(path: str | None) -> str:
    return re.sub(r"{[^}]*}", "{}", path or "").rstrip("/")


def _own_routes(installation: Installation) -> Iterator[Route]:
    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=_FRESH)

    async def ready(request: Request) -> Response:
        try:
            for database in installation.databases:
                await database.ping()
        except DatabaseUnavailable as problem:
            return render(problem, request.scope)
        return JSONResponse({"status": "ready"}, headers=_FRESH)

    if installation.health is not None:
        yield Route(installation.health, health, include_in_schema=False)
    if installation.ready is not None:
        yield Route(installation.ready, ready, include_in_schema=False)
    if installation.problems is not None:
        yield Route(f"{installation.problems}/{{code}}", _explain_problem, include_in_schema=False)


_FRESH: Final = {"Cache-Control": "no-store"}


async def _explain_problem(request: Request) -> Response:
    explained = explain(request.path_params["code"])
    if explained is None:
        return render(NotFound("There is no problem type of this name"), request.scope)
    accepted = request.headers.get("accept", "")
    if "json" in accepted and "text/html" not in accepted:
        return JSONResponse(explained)
    return HTMLResponse(explain_as_page(explained))


def _take_over_docs(app: FastAPI) -> Iterator[Route]:
    """Let the pages that FastAPI made take scripts and styles from the routes returned; other pages are left alone."""
    for index, route in enumerate(app.router.routes):
        if isinstance(route, Route) and route.name in _DOCS and _made_by_fastapi(route):
            page, files = _DOCS[route.name]
            answer = partial(page, app, route.path.rstrip("/"))
            app.router.routes[index] = Route(route.path, answer, name=route.name, include_in_schema=False)
            for file in files:
                path = f"{route.path.rstrip('/')}/{file.rpartition('/')[2]}"
                yield Route(path, partial(_send_asset, file), name=path, include_in_schema=False)


def _made_by_fastapi(route: Route) -> bool:
    return getattr(route.endpoint, "__module__", None) == FastAPI.__module__


async def _swagger_page(app: FastAPI, path: str, request: Request) -> HTMLResponse:
    root = request.scope.get("root_path", "").rstrip("/")
    redirect = app.swagger_ui_oauth2_redirect_url
    return get_swagger_ui_html(
        openapi_url=f"{root}{app.openapi_url}",
        title=f"{app.title} - Swagger UI",
        swagger_js_url=f"{root}{path}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{path}/swagger-ui.css",
        swagger_favicon_url=f"{root}{path}/favicon.png",
        oauth2_redirect_url=f"{root}{redirect}" if redirect else None,
        init_oauth=app.swagger_ui_init_oauth,
        # Else the page shows documents of public hosts to validator.swagger.io.
        swagger_ui_parameters={"validatorUrl": None, **(app.swagger_ui_parameters or {})},
    )


async def _redoc_page(app: FastAPI, path: str, request: Request) -> HTMLResponse:
    root = request.scope.get("root_path", "").rstrip("/")
    return get_redoc_html(
        openapi_url=f"{root}{app.openapi_url}",
        title=f"{app.title} - ReDoc",
        redoc_js_url=f"{root}{path}/redoc.standalone.js",
        redoc_favicon_url=f"{root}{path}/favicon.png",
        with_google_fonts=False,
    )


async def _send_asset(file: str, _: Request) -> FileResponse:
    # Only the files of the package are used: its own way in replaces functions of FastAPI for all applications.
    assets = resources.files("fastapi_standalone_docs") / "static"
    return FileResponse(str(assets / file), headers={"Cache-Control": "max-age=3600"})


_DOCS: Final[Mapping[str, tuple[Callable[..., Any], Sequence[str]]]] = {
    "swagger_ui_html": (
        _swagger_page,
        ("swagger/swagger-ui-bundle.js", "swagger/swagger-ui.css", "fastapi/favicon.png"),
    ),
    # The script of ReDoc asks for the logo, below the path of its page.
    "redoc_html": (_redoc_page, ("redoc/redoc.standalone.js", "redoc/logo-mini.svg", "fastapi/favicon.png")),
}


def _hoist_schema(app: FastAPI) -> None:
    build = app.openapi
    hoisted: dict[str, Any] | None = None

    def openapi() -> dict[str, Any]:
        nonlocal hoisted
        schema = build()
        if schema is not hoisted:
            # In FastAPI's own cache, so that it is made again when routes are added.
            hoisted = app.openapi_schema = hoist(schema)
        return hoisted

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema
