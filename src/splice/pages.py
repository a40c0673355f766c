"""What an installed application serves besides its own routes: health, explanations of problems, offline docs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from splice.answers import Installation
from splice.errors import DatabaseUnavailable, NotFound, ShuttingDown
from splice.problems import explain, explain_as_page, render

__all__ = ["own_routes", "take_over_docs"]


def own_routes(installation: Installation) -> Iterator[Route]:
    """The routes that an installation serves: health, readiness, and a page for each problem type.

    Readiness answers 503 while one of the databases is away, and once the service is about to end; health never asks.
    """

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=_FRESH)

    if installation.health is not None:
        yield Route(installation.health, health, include_in_schema=False)
    if installation.ready is not None:
        yield Route(installation.ready, partial(_ready, installation), include_in_schema=False)
    if installation.problems is not None:
        yield Route(f"{installation.problems}/{{code}}", _explain_problem, include_in_schema=False)


async def _ready(installation: Installation, request: Request) -> Response:
    if installation.drain.has_begun:
        return render(ShuttingDown(), request.scope)
    try:
        for database in installation.databases:
            await database.ping()
    except DatabaseUnavailable as problem:
        return render(problem, request.scope)
    return JSONResponse({"status": "ready"}, headers=_FRESH)


_FRESH: Final = MappingProxyType({"Cache-Control": "no-store"})


async def _explain_problem(request: Request) -> Response:
    explained = explain(request.path_params["code"])
    if explained is None:
        return render(NotFound("There is no problem type of this name"), request.scope)
    accepted = request.headers.get("accept", "")
    if "json" in accepted and "text/html" not in accepted:
        return JSONResponse(explained)
    return HTMLResponse(explain_as_page(explained))


def take_over_docs(app: FastAPI) -> Iterator[Route]:
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


_DOCS: Final[Mapping[str, tuple[Callable[..., Any], Sequence[str]]]] = MappingProxyType(
    {
        "swagger_ui_html": (
            _swagger_page,
            ("swagger/swagger-ui-bundle.js", "swagger/swagger-ui.css", "fastapi/favicon.png"),
        ),
        # The script of ReDoc asks for the logo, below the path of its page.
        "redoc_html": (
            _redoc_page,
            ("redoc/redoc.standalone.js", "redoc/logo-mini.svg", "fastapi/favicon.png"),
        ),
    }
)
