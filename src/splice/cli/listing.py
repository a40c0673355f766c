"""What an application answers, route by route."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from splice.handlers import answer_options
from splice.router import generated_by
from splice.services import learn_guards

__all__ = ["Listed", "listed_routes", "resources_of"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One route; `origin` is a model that it was generated for, or the function that answers."""

    methods: tuple[str, ...]
    path: str
    summary: str
    origin: str
    resource: str | None


def listed_routes(app: FastAPI) -> list[Listed]:
    """Every route in the order in which they are tried, with those that `install` adds at the start.

    Not for an application that is served afterwards: its middleware is made here, and must not be made twice.
    """
    if app.middleware_stack is None and hasattr(app.state, "splice"):
        app.build_middleware_stack()
    return _listed_now(app)


def _listed_now(app: FastAPI) -> list[Listed]:
    learn_guards(app)
    found: dict[tuple[str, int], Listed] = {}
    for context in iter_route_contexts(app.routes):
        listed = _listed(context)
        if listed is not None:
            # GET and HEAD are two routes with one function.
            key = listed.path, id(context.endpoint)
            found[key] = _together(found[key], listed) if key in found else listed
    return list(found.values())


def resources_of(app: FastAPI) -> list[Listed]:
    """One route for each generated resource, that of its rows."""
    generated = [listed for listed in _listed_now(app) if listed.resource is not None]
    lists = {listed.path: listed for listed in generated if "{" not in listed.path}
    # The list by a document is of the same resource.
    documents = {f"{path}/query" for path in lists}
    return [listed for path, listed in lists.items() if path not in documents]


def _listed(context: Any) -> Listed | None:
    if context.endpoint is answer_options or not context.path:
        return None
    generated = generated_by(context.endpoint)
    if generated is not None and not generated.is_there:
        return None
    if generated is not None:
        model = generated.service.description.name
        return Listed(_methods(context), context.path, _summary(context), f"generated for {model}", model)
    return Listed(_methods(context), context.path, _summary(context), _function(context), None)


def _methods(context: Any) -> tuple[str, ...]:
    if context.methods:
        return tuple(sorted(context.methods))
    return ("WEBSOCKET",) if "WebSocket" in type(context.original_route).__name__ else ("ANY",)


def _summary(context: Any) -> str:
    said = getattr(context, "summary", None)
    if said:
        return str(said)
    words = (context.name or "").replace("_", " ").strip()
    return "" if words == context.path else words.capitalize()


def _function(context: Any) -> str:
    # A mount has no function, but an application.
    endpoint = context.endpoint or context.original_route.app
    while (inner := getattr(endpoint, "__wrapped__", None) or getattr(endpoint, "func", None)) is not None:
        endpoint = inner
    module = getattr(endpoint, "__module__", None) or type(endpoint).__module__
    library = {"fastapi": "FastAPI", "splice": "splice.install"}.get(module.partition(".")[0])
    return library or f"{module}.{getattr(endpoint, '__qualname__', type(endpoint).__qualname__)}"


def _together(first: Listed, second: Listed) -> Listed:
    methods = tuple(_ordered({*first.methods, *second.methods}))
    return Listed(methods, first.path, first.summary or second.summary, first.origin, first.resource)


def _ordered(methods: set[str]) -> Iterator[str]:
    order = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    return iter(sorted(methods, key=lambda name: (order.index(name) if name in order else len(order), name)))
