"""What the routes of one resource need, and where relations may lead from it: nowhere that its guards do not allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from fastapi import FastAPI
from fastapi.params import Depends
from fastapi.routing import iter_route_contexts

from splice.database import Database
from splice.description import Description
from splice.operations import Subject
from splice.paging import Paging
from splice.readable import Readable, narrowed
from splice.schemas import Schemas

__all__ = ["GENERATED", "Guards", "Related", "Service", "learn_guards"]

GENERATED: Final = "splice_generated"
"""The attribute of a generated endpoint that says what it does, and for which `service`."""

_LEARNT: Final = "splice_guards_learnt"


class Guards:
    """The dependencies that stand before the routes of a resource: its own, and those of the routers around it.

    What is around is known once an application is. A resource may stand in several places: whoever comes by one of them
    has passed what all have in common, and who is led to it by a relation must have passed what any of them asks for.
    """

    def __init__(self, own: Sequence[Depends]) -> None:
        self._own = tuple(own)
        self._around: list[tuple[Depends, ...]] = []

    def learn(self, around: Sequence[Depends]) -> None:
        """Take note of one more place."""
        self._around.append(tuple(around))

    def admit(self, other: Guards) -> bool:
        """Whether who has passed these has passed all of the others, too."""
        passed = [
            *self._own,
            *(one for one in self._anywhere() if all(one in place for place in self._around)),
        ]
        return all(one in passed for one in [*other._own, *other._anywhere()])

    def _anywhere(self) -> Iterator[Depends]:
        for place in self._around:
            yield from place


@dataclass(frozen=True, slots=True)
class Service:
    """What the handlers of one resource need; `commits` where the session's own dependency does not.

    `related` are the services of models that relations lead to; `guards` are the dependencies that stand before all of
    its routes. `db` is None, and `lasting` tells whether the session outlives the handler, where sessions come from a
    dependency of the user's own.
    """

    subject: Subject
    readable: Readable
    schemas: Schemas
    paging: Paging
    related: Related
    guards: Guards
    db: Database[Any] | None
    commits: bool
    lasting: bool

    @property
    def description(self) -> Description:
        """The model that is served."""
        return self.subject.description


class Related(Mapping[type[Any], Readable]):
    """What may be asked of the models that relations lead to; grows with the resources of the database.

    A relation goes around the routes of its target, so it must not lead where they would not: only to resources whose
    dependencies are those of the one that is asked, too. Of several resources of a model it shows what all of them do.
    """

    def __init__(self, offered: dict[type[Any], list[Service]], guards: Guards) -> None:
        self._offered = offered
        self._guards = guards
        self._known: dict[type[Any], tuple[int, Service | None]] = {}

    def offer(self, service: Service) -> None:
        """Let relations lead to a service."""
        self._offered.setdefault(service.description.model, []).append(service)

    def forget(self) -> None:
        """Look again: what stands before the resources has become known."""
        self._known.clear()

    def service(self, model: type[Any]) -> Service | None:
        """That of a model, narrowed to what may be seen of it."""
        offered = self._offered.get(model, [])
        count, found = self._known.get(model, (0, None))
        if count != len(offered):
            found = _narrowed([one for one in offered if self._guards.admit(one.guards)])
            self._known[model] = len(offered), found
        return found

    def __getitem__(self, model: type[Any]) -> Readable:
        service = self.service(model)
        if service is None:
            raise KeyError(model)
        return service.readable

    def __iter__(self) -> Iterator[type[Any]]:
        return (model for model in self._offered if self.service(model) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _narrowed(services: Sequence[Service]) -> Service | None:
    if len(services) < 2:
        return services[0] if services else None
    first = services[0]
    return replace(first, readable=narrowed(first.readable, [one.readable for one in services]))


def learn_guards(app: FastAPI) -> None:
    """Find out, once for each application, which dependencies its routers put before the resources in it."""
    size = len(app.router.routes)
    if getattr(app.state, _LEARNT, None) == size:
        return
    setattr(app.state, _LEARNT, size)
    places = [place for place in iter_route_contexts(app.routes) if hasattr(place.endpoint, GENERATED)]
    for place in places:
        _service(place).guards.learn(place.dependencies)
    for place in places:
        _service(place).related.forget()
    for place in cast("list[Any]", places):
        if not place.original_route.include_in_schema:
            # What FastAPI has copied from the route, for this place, before the guards were known.
            place._effective_route.include_in_schema = False  # noqa: SLF001


def _service(place: Any) -> Service:
    service: Service = getattr(place.endpoint, GENERATED).service
    return service
