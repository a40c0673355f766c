"""A request found among the routes of an application, and told what it will do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote, unquote

from fastapi import FastAPI, Request
from fastapi.dependencies.utils import request_params_to_args
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from sqlalchemy.engine import Dialect, make_url
from starlette.routing import Match

from splice.counts import MOST_COUNTED
from splice.database import Database
from splice.description import Description
from splice.errors import MethodNotAllowed, RouteNotFound, SetupError
from splice.explain.sql import Statement, Unsaid, statement_of
from splice.explain.writes import deletes, inserts, loads_before_delete, updates
from splice.handlers import (
    Listing,
    answer_options,
    body_of,
    list_of,
    list_of_children,
    list_of_document,
    query_of,
    refuse_parameters,
)
from splice.hooks import Hook
from splice.operations import replacement
from splice.plan import plan_row
from splice.problems import from_validation
from splice.reads import KeyIs, Many, ReadPlan, Selection
from splice.router import Generated, generated_by
from splice.schemas import changes, new_values
from splice.services import Service, learn_guards
from splice.statements import children_of, count_rows, count_some, lock_entity, select_children
from splice.terms import Verb

__all__ = ["DIALECTS", "Explanation", "explain_request"]

DIALECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sqlite": "sqlite+aiosqlite",
        "postgresql": "postgresql+asyncpg",
        "mariadb": "mariadb+asyncmy",
        "mysql": "mysql+asyncmy",
    }
)
"""What statements can be written for without the database, each in the spelling of its first driver."""

_METHOD: Final = re.compile(r"\s*(?:([A-Za-z]+)\s+)?(/\S?.*?)\s*", re.DOTALL)
_BODY: Final = Unsaid("from the body")
_STORED: Final = Unsaid("as the row has it")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one request will do.

    `path` is "rows" where answers come straight from the columns, "entities" where a `read=` model is filled from ORM
    entities, "none" where nothing is answered; `reasons` say why. `notes` tell what may be added to the statements.
    `db` is where the rows are, if that is known.
    """

    method: str
    route: str
    verb: Verb
    model: str
    dialect: str
    path: Literal["rows", "entities", "none"]
    reasons: tuple[str, ...]
    statements: tuple[Statement, ...]
    notes: tuple[str, ...]
    db: Database[Any] | None = field(default=None, compare=False, repr=False)


def explain_request(
    app: FastAPI, request: str, body: str | None = None, dialect: str | None = None
) -> Explanation:
    """Say what a request to a generated route will do.

    Args:
        app: The application, which need not be running.
        request: `GET /users?name=Ada`; without a method it is GET.
        body: JSON of a POST, PUT or PATCH; without it the values are left open.
        dialect: One of `DIALECTS`, instead of that of the resource's own `Database`.

    Raises:
        Problem: What the application would answer to a request that it refuses.
        SetupError: The request is for a route of the user's own, or cannot be read.
    """
    asked = _read(request)
    learn_guards(app)
    context, scope = _find(app, asked)
    generated = _generated(context, asked)
    spoken = _dialect(generated, dialect)
    found = _Request(Request(scope), _key(context, scope), generated, spoken, body)
    statements = tuple(_STATEMENTS[generated.verb](found))
    return Explanation(
        method=asked.method,
        route=context.path,
        verb=generated.verb,
        model=found.listed.name,
        dialect=found.dialect_name,
        path=_path(generated),
        reasons=(*_why(generated), *_dependencies(context, generated)),
        statements=statements,
        notes=tuple(_notes(found, generated)),
        db=generated.db,
    )


# The request and its route.


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    path: str
    query: str


def _read(text: str) -> _Asked:
    found = _METHOD.fullmatch(text)
    if found is None:
        raise SetupError(f"{text!r} is not a request; write it like: GET /users?name=Ada")
    path, _, query = found[2].partition("?")
    return _Asked((found[1] or "GET").upper(), path, query)


def _find(app: FastAPI, asked: _Asked) -> tuple[Any, dict[str, Any]]:
    scope = _scope(app, asked)
    partial: set[str] = set()
    for context in _http_routes(app):
        match, child = context.matches(scope)
        if match is Match.FULL:
            return context, {**scope, **child, "route": context.original_route}
        partial |= set(context.methods or ()) if match is Match.PARTIAL else set()
    if partial:
        allowed = ", ".join(sorted(partial))
        raise MethodNotAllowed(f"{asked.method} is not allowed here", hint=f"allowed: {allowed}")
    raise RouteNotFound("Nothing is served at this path", hint=_nearest(app, asked.path))


def _scope(app: FastAPI, asked: _Asked) -> dict[str, Any]:
    # What a person types in a shell is encoded as a browser would; what is encoded already stays.
    raw = quote(asked.path, safe="/%:@!$&'()*+,;=~-._")
    path = unquote(raw)
    return {
        "type": "http",
        "method": asked.method,
        "path": path.rstrip("/") or "/",
        "raw_path": raw.encode(),
        "root_path": "",
        "query_string": quote(asked.query, safe="/%:@!$&'()*+,;=~-._?").encode(),
        "headers": [(b"content-type", b"application/json")],
        "app": app,
    }


def _http_routes(app: FastAPI) -> Iterator[Any]:
    return (context for context in iter_route_contexts(app.routes) if hasattr(context, "matches"))


def _nearest(app: FastAPI, path: str) -> str | None:
    known = list(dict.fromkeys(context.path for context in _http_routes(app) if context.path))
    near = get_close_matches(path, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else None


def _generated(context: Any, asked: _Asked) -> Generated:
    found = generated_by(context.endpoint)
    if found is not None:
        return found
    if context.endpoint is answer_options:
        raise SetupError(
            f"{asked.method} {context.path} lists the methods of the path, and runs no statement"
        )
    if context.endpoint is None:
        raise SetupError(
            f"{context.path} leads to another application; explain its requests by its own module:app"
        )
    name = f"{context.endpoint.__module__}.{getattr(context.endpoint, '__qualname__', context.name)}"
    raise SetupError(
        f"{asked.method} {context.path} is answered by {name}, which splice has not generated: what it runs, only its "
        "code can tell"
    )


def _key(context: Any, scope: Mapping[str, Any]) -> tuple[Any, ...]:
    """The key in the path, read as FastAPI reads it."""
    values, errors = request_params_to_args(context.dependant.path_params, scope["path_params"])
    if errors:
        raise from_validation(errors)
    return tuple(values[f"_key_{number}"] for number in range(len(values)))


def _dialect(generated: Generated, wanted: str | None) -> Dialect:
    if wanted is not None:
        return _dialect_called(wanted)
    if generated.db is None:
        raise SetupError(
            f"{generated.service.description.name} has its sessions from a dependency of your own, so its database is "
            "not known here; name one by --dialect"
        )
    return generated.db.engine.dialect


def _dialect_called(name: str) -> Dialect:
    if name not in DIALECTS:
        raise SetupError(f"{name!r} is no dialect; it is one of {', '.join(DIALECTS)}")
    return make_url(f"{DIALECTS[name]}://").get_dialect()()


# The statements of each verb, in the order in which `splice.operations` sends them.


@dataclass(frozen=True, slots=True)
class _Request:
    """A request whose route is known; `key` are the values in the path."""

    request: Request
    key: tuple[Any, ...]
    generated: Generated
    dialect: Dialect
    body: str | None

    @property
    def service(self) -> Service:
        return self.generated.service

    @property
    def form(self) -> str:
        return self.generated.form

    @property
    def relation(self) -> str | None:
        return self.generated.relation

    @property
    def listed(self) -> Description:
        """The model whose rows are answered."""
        return self.description if self.relation is None else _listing(self).service.description

    @property
    def description(self) -> Description:
        return self.service.description

    @property
    def dialect_name(self) -> str:
        return "mariadb" if getattr(self.dialect, "is_mariadb", False) else self.dialect.name

    @property
    def identity(self) -> dict[str, Any]:
        """The key by field name."""
        return {part.name: value for part, value in zip(self.description.key, self.key, strict=True)}

    def parsed(self, model: type[BaseModel]) -> BaseModel | None:
        """The body as its model; None where none is given."""
        return None if self.body is None else body_of(self.body.encode(), model, self.description)


def _list(found: _Request) -> Iterator[Statement]:
    listing = _listing(found)
    if listing.plan.count is not None:
        yield from _counting(listing.plan, found)
    page = listing.service.subject.shape.statement(listing.plan, found.dialect_name)
    yield statement_of("read the page, and one row more to know whether another follows", page, found.dialect)
    yield from _children(listing.plan.selection, found)


def _children(selection: Selection, found: _Request, above: str = "") -> Iterator[Statement]:
    """One statement for each relation to many, for all parents together."""
    for relation in selection.relations:
        way = f"{above}{relation.link.name}"
        if isinstance(relation, Many):
            keys = [
                [Unsaid(f"keys of the rows of {selection.description.name}")] * len(selection.description.key)
            ]
            statement = select_children(selection.description, relation, keys, found.dialect_name)
            yield statement_of(f"read {way} of all these rows", statement, found.dialect)
        yield from _children(relation.selection, found, f"{way}.")


def _listing(found: _Request) -> Listing:
    if found.relation is not None:
        return list_of_children(found.service, found.relation, found.request, found.key)
    if found.form == "document":
        refuse_parameters(found.request)
        return list_of_document(found.service, (found.body or "{}").encode())
    return list_of(found.service, found.request)


def _counting(plan: ReadPlan, found: _Request) -> Iterator[Statement]:
    if plan.count == "exact":
        count = count_rows(plan, found.dialect_name)
        yield statement_of("count the rows that match", count, found.dialect)
    else:
        some = count_some(plan, MOST_COUNTED, found.dialect_name)
        yield statement_of(f"count the rows that match, {MOST_COUNTED} of them at most", some, found.dialect)


def _read_one(found: _Request) -> Iterator[Statement]:
    plan = _row_plan(found)
    statement = found.service.subject.shape.statement(plan, found.dialect_name)
    yield statement_of("read the row", statement, found.dialect)
    yield from _children(plan.selection, found)


def _row_plan(found: _Request) -> ReadPlan:
    return plan_row(query_of(found.request, found.service.paging.names), found.service.readable, found.key)


def _create(found: _Request) -> Iterator[Statement]:
    refuse_parameters(found.request)
    body = found.parsed(found.service.schemas.Create)
    generated = found.service.subject.generated_create
    open_values = {field.name: _BODY for field in found.description.fields.values() if field.creatable}
    values = open_values if body is None else new_values(body, generated=generated)
    yield from inserts(found.description, values, found.dialect)
    # A key of the client's is known already.
    key = [values.get(field.name, Unsaid("the key of the new row")) for field in found.description.key]
    yield _select("read it back as the database stored it", found, key)


def _update(found: _Request) -> Iterator[Statement]:
    refuse_parameters(found.request)
    body = found.parsed(found.service.schemas.Update)
    yield from _written(found, _open_values(found) if body is None else changes(body))


def _replace(found: _Request) -> Iterator[Statement]:
    refuse_parameters(found.request)
    body = found.parsed(found.service.schemas.Replace)
    values = _open_values(found) if body is None else replacement(found.description, changes(body))
    yield from _written(found, values)


def _delete(found: _Request) -> Iterator[Statement]:
    refuse_parameters(found.request)
    yield _lock(found)
    for relation in found.description.keeps:
        parent = {name: found.identity.get(name, _STORED) for name in relation.local}
        refused = f"refuse while {relation.name} are left"
        yield statement_of(refused, children_of(relation, parent), found.dialect)
    yield from loads_before_delete(found.description, found.identity, found.dialect)
    yield from deletes(found.description, found.identity, found.dialect)


_Steps: TypeAlias = Callable[[_Request], Iterator[Statement]]
_STATEMENTS: Final[Mapping[Verb, _Steps]] = MappingProxyType(
    {
        "list": _list,
        "read": _read_one,
        "create": _create,
        "update": _update,
        "replace": _replace,
        "delete": _delete,
    }
)


def _written(found: _Request, values: Mapping[str, Any]) -> Iterator[Statement]:
    yield _lock(found)
    yield from updates(found.description, found.identity, values, found.dialect)
    yield _select("read it back as the database stored it", found, found.key)


def _open_values(found: _Request) -> dict[str, Any]:
    return {field.name: _BODY for field in found.description.fields.values() if field.updatable}


def _lock(found: _Request) -> Statement:
    select = lock_entity(found.description, found.key, found.dialect_name)
    lock = "read the row" if found.dialect_name == "sqlite" else "read the row and lock it"
    return statement_of(lock, select, found.dialect)


def _select(purpose: str, found: _Request, key: Sequence[Any]) -> Statement:
    plan = ReadPlan(found.service.subject.whole, KeyIs(tuple(key)), (), limit=1)
    statement = found.service.subject.shape.statement(plan, found.dialect_name)
    return statement_of(purpose, statement, found.dialect)


# Why, and what else.


def _path(generated: Generated) -> Literal["rows", "entities", "none"]:
    if generated.verb == "delete":
        return "none"
    return "entities" if generated.service.subject.shape.options or _own_read(generated) else "rows"


def _own_read(generated: Generated) -> str | None:
    """The name of the `read=` model, where there is one."""
    model = getattr(generated.service.subject.shape, "model", None)
    return None if model is None else str(model.__name__)


def _why(generated: Generated) -> Iterator[str]:
    own = _own_read(generated)
    if generated.verb == "delete":
        yield "the answer has no body"
    elif own is None:
        yield "no read= model is given, so rows become JSON straight from the columns, without ORM entities"
    else:
        yield f"read={own} is a model of your own, so rows are loaded as ORM entities and written by it"


def _dependencies(context: Any, generated: Generated) -> Iterator[str]:
    session = None if generated.db is None else generated.db.session.dependency
    own = [_name(below.call) for below in context.dependant.dependencies if below.call is not session]
    safe = "the request goes through FastAPI's dependencies (the safe path)"
    yield f"{safe}: {', '.join(own)} besides the session" if own else f"{safe}; only the session is one"


def _notes(found: _Request, generated: Generated) -> Iterator[str]:
    yield from _relations(generated)
    if generated.verb in {"list", "read"}:
        return
    if found.dialect_name == "sqlite" and (generated.db is not None or generated.verb != "create"):
        yield "the transaction begins with BEGIN IMMEDIATE, which takes the write lock of the whole file"
    yield from _alternatives(found, generated.verb)
    hooks = [_name(hook) for hook in _hooks(generated)]
    if hooks:
        yield f"hooks run in the same transaction, and may add statements: {', '.join(hooks)}"
    yield "COMMIT comes last, before the answer is sent"


def _relations(generated: Generated) -> Iterator[str]:
    relations = generated.service.subject.shape.relations
    if relations and generated.verb != "delete":
        names = ", ".join(relations)
        yield f"{names}: loaded after the rows, by one SELECT … IN for each relation, whatever the number of rows"


def _alternatives(found: _Request, verb: Verb) -> Iterator[str]:
    if verb in {"update", "replace"}:
        yield "UPDATE writes only columns whose value differs from the stored one; without any it is not sent"
    if verb == "replace" and found.description.client_key:
        yield "where no row has this key, INSERT takes the place of UPDATE"
    cascades = _cascades(found.description) if verb == "delete" else []
    if cascades:
        yield f"each of the {', '.join(cascades)} found is deleted first: the relationship has a delete cascade"


def _cascades(description: Description) -> list[str]:
    relations = description.model.__mapper__.relationships
    return [
        relation.key for relation in relations if relation.cascade.delete and not relation.passive_deletes
    ]


def _hooks(generated: Generated) -> Iterator[Hook]:
    hooks = generated.service.subject.hooks
    kind = {"replace": "update"}.get(generated.verb, generated.verb)
    yield from getattr(hooks, f"before_{kind}")
    yield from getattr(hooks, f"after_{kind}")


def _name(function: Any) -> str:
    named = getattr(function, "__wrapped__", function)
    return f"{named.__module__}.{getattr(named, '__qualname__', type(named).__qualname__)}"
