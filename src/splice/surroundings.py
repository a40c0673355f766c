"""What stands around a route in its application: routers may put it behind other dependencies in each place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.routing import iter_route_contexts
from fastapi.security import APIKeyQuery
from pydantic import BaseModel

__all__ = ["Surroundings", "surroundings_of"]

_SURROUNDINGS: Final = "splice_surroundings"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """In how many places a route is, all that its dependencies call there, and the query parameters they declare."""

    places: int
    calls: tuple[Any, ...]
    declared: frozenset[str]


def surroundings_of(request: Request) -> Surroundings:
    """Of the route that a request has found; looked at once for each application."""
    app, route = request.scope["app"], request.scope["route"]
    # Kept by the application: one route may stand in several, behind other dependencies in each.
    known: dict[int, Surroundings] = getattr(app.state, _SURROUNDINGS, {})
    setattr(app.state, _SURROUNDINGS, known)
    if id(route) not in known:
        contexts = iter_route_contexts(list(app.routes))
        found = [context.dependant for context in contexts if context.original_route is route]
        calls = tuple(call for dependant in found for call in _calls_of(dependant))
        declared = frozenset(name for dependant in found for name in _declared_by(dependant))
        known[id(route)] = Surroundings(len(found), calls, declared)
    return known[id(route)]


def _declared_by(dependant: Any) -> Iterator[str]:
    for parameter in dependant.query_params:
        yield from _aliases(parameter)
    if isinstance(dependant.call, APIKeyQuery):
        yield dependant.call.model.name
    for below in dependant.dependencies:
        yield from _declared_by(below)


def _calls_of(dependant: Any) -> Iterator[Any]:
    for below in dependant.dependencies:
        yield below.call
        yield from _calls_of(below)


def _aliases(parameter: Any) -> Iterator[str]:
    annotation = parameter.field_info.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from (
            str(info.validation_alias or info.alias or name) for name, info in annotation.model_fields.items()
        )
    else:
        yield str(parameter.field_info.validation_alias or parameter.alias)
