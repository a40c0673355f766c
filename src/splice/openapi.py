"""What OpenAPI says about generated routes: parameters, headers, answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, JsonValue
from pydantic_core import to_json

from splice.components import Component, documented, item, page, query
from splice.description import Link
from splice.english import article
from splice.errors import (
    BodyTooLarge,
    CheckFailed,
    CommitUnknown,
    Conflict,
    ContentTypeUnsupported,
    DatabaseUnavailable,
    ForbiddenField,
    InternalError,
    Invalid,
    MalformedBody,
    NotAcceptable,
    NotFound,
    NotUnique,
    PreconditionFailed,
    Problem,
    ReferenceMissing,
    StillReferenced,
    TooBusy,
    UnknownField,
    UnknownParameter,
)
from splice.exports import CsvWriter, lines
from splice.parameters import list_parameters, row_parameters
from splice.problems import responses
from splice.reads import Selection
from splice.schemas import Page
from splice.services import Service
from splice.terms import Verb
from splice.vocabulary import example_queries

__all__ = ["children_documentation", "documentation", "query_body", "query_documentation"]

_JSON: Final = "application/json"
_CURSOR: Final = "eyJ2IjpbMV19"
"""What one looks like; it leads nowhere."""

_ROLES: Final[Mapping[Verb, str]] = MappingProxyType(
    {"create": "Create", "replace": "Replace", "update": "Update"}
)
_ANY: Final[tuple[type[Problem], ...]] = (InternalError, TooBusy, DatabaseUnavailable)
_BODY: Final[tuple[type[Problem], ...]] = (
    MalformedBody,
    BodyTooLarge,
    ContentTypeUnsupported,
    ForbiddenField,
)
_WRITE: Final[tuple[type[Problem], ...]] = (NotUnique, ReferenceMissing, CheckFailed, Conflict, CommitUnknown)
_PROBLEMS: Final[Mapping[Verb, tuple[type[Problem], ...]]] = MappingProxyType(
    {
        "list": (NotAcceptable, Invalid, UnknownField, UnknownParameter, *_ANY),
        "read": (NotFound, Invalid, UnknownField, UnknownParameter, *_ANY),
        "create": (*_BODY, Invalid, UnknownField, UnknownParameter, *_WRITE, *_ANY),
        "replace": (
            NotFound,
            PreconditionFailed,
            *_BODY,
            Invalid,
            UnknownField,
            UnknownParameter,
            *_WRITE,
            *_ANY,
        ),
        "update": (
            NotFound,
            PreconditionFailed,
            *_BODY,
            Invalid,
            UnknownField,
            UnknownParameter,
            *_WRITE,
            *_ANY,
        ),
        "delete": (
            NotFound,
            PreconditionFailed,
            StillReferenced,
            Invalid,
            UnknownParameter,
            CommitUnknown,
            *_ANY,
        ),
    }
)
_SUMMARIES: Final[Mapping[Verb, str]] = MappingProxyType(
    {
        "list": "List {names}",
        "create": "Create {a} {name}",
        "read": "Read {a} {name}",
        "replace": "Replace {a} {name}",
        "update": "Change {a} {name} (merge patch)",
        "delete": "Delete {a} {name}",
    }
)
_QUERY: Final[tuple[type[Problem], ...]] = (
    MalformedBody,
    BodyTooLarge,
    ContentTypeUnsupported,
    NotAcceptable,
    Invalid,
    UnknownField,
    UnknownParameter,
    *_ANY,
)


def documentation(service: Service, verb: Verb) -> dict[str, Any]:
    """The options of `add_api_route` that only the document shows."""
    name = service.description.name
    options: dict[str, Any] = {
        "summary": _SUMMARIES[verb].format(a=article(name), name=name, names=service.description.table),
        "description": _describe(verb),
        "responses": {**responses(*_PROBLEMS[verb]), **_successes(service, verb)},
        "openapi_extra": _Late(partial(_extra, service, verb)),
    }
    if verb == "delete":
        return {**options, "status_code": 204}
    return {
        **options,
        "response_model": _answer(service, verb),
        "status_code": 201 if verb == "create" else 200,
    }


def query_documentation(service: Service) -> dict[str, Any]:
    """The options of the route that reads a list by a document."""
    return {
        "summary": f"Query {service.description.table}",
        "description": (
            "The list, asked for by a document: for conditions joined by `and`, `or` and `not`, for several "
            "conditions on one related row, and for what is too long for an address."
        ),
        "responses": {**responses(*_QUERY), **_forms_of_a_list("A page of rows")},
        "response_model": documented(f"{service.description.name}Page", partial(_page, service)),
        "openapi_extra": _Late(partial(_query_extra, service)),
    }


def query_body(service: Service) -> type[Any]:
    """What the body of that route is annotated with."""
    model = service.readable
    return documented(f"{service.description.name}Query", lambda: query(model, service.paging.names))


def _target(service: Service, link: Link) -> Service:
    """The service of the rows behind a link; asked for only where there is one."""
    target = service.related.service(link.target)
    if target is None:
        raise KeyError(link.name)
    return target


def children_documentation(service: Service, link: Link) -> dict[str, Any]:
    """The options of the route along a relation: the language of the resource that it leads to."""
    name = service.description.name
    return {
        "summary": f"List {link.name} of {article(name)} {name}",
        "description": link.doc
        or f"The rows behind `{link.name}`, with all that their own list can be asked.",
        "responses": {**responses(NotFound, *_PROBLEMS["list"]), **_successes(service, "list")},
        "response_model": documented(f"{link.target.__name__}Page", lambda: _page(_target(service, link))),
        "openapi_extra": _Late(lambda: _extra(_target(service, link), "list")),
    }


def _answer(service: Service, verb: Verb) -> Any:
    """The model of an answer; one that the query shapes is made with the document."""
    name = service.description.name
    if verb == "list":
        return documented(f"{name}Page", partial(_page, service))
    if verb == "read" and service.readable.expands:
        return documented(f"{name}Item", lambda: item(service.readable))
    return service.schemas.Read


def _page(service: Service) -> Component | type[BaseModel]:
    """A page; what a model or an envelope of the user's own is, is known by that alone."""
    model, envelope = service.readable, service.paging.envelope
    if model.expands and envelope is None:
        return page(model)
    row = (
        documented(f"{model.description.name}Item", lambda: item(model))
        if model.expands
        else service.schemas.Read
    )
    around: Any = envelope or Page
    made: type[BaseModel] = around[row]
    return made


class _Late(dict[str, Any]):
    """What is put into the document, made when FastAPI reads it: a service of 400 tables may never show its own."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        super().__init__(parameters=[])
        self._make: Callable[[], dict[str, Any]] | None = make

    def items(self) -> Any:  # what the base says has no public name
        if self._make is not None:
            self.update(self._make())
            self._make = None
        return super().items()


def _describe(verb: Verb) -> str | None:
    if verb == "update":
        return "Writes only the fields that are sent; `null` stores NULL (RFC 7396)."
    if verb == "replace":
        return "A field that is not sent takes its default, else NULL; read-only fields are ignored."
    return None


def _successes(service: Service, verb: Verb) -> dict[int | str, dict[str, Any]]:
    tag = _text_header("Entity tag of the row.")
    link = _text_header("The first, previous and next page.")
    location = _text_header("Path of the new row.")
    if verb == "list":
        return _forms_of_a_list("A page of rows, or all of them as a file", {"Link": link})
    if verb == "read":
        return {200: _found(tag), 304: {"description": "Not modified", "headers": {"ETag": tag}}}
    if verb == "create":
        return {201: {"description": "The new row", "headers": {"ETag": tag, "Location": location}}}
    if verb == "replace" and service.description.client_key:
        return {
            200: _found(tag),
            201: {"description": "The new row", "headers": {"ETag": tag, "Location": location}},
        }
    return {} if verb == "delete" else {200: _found(tag)}


def _forms_of_a_list(
    description: str, headers: Mapping[str, Any] = MappingProxyType({})
) -> dict[int | str, dict[str, Any]]:
    text = {"schema": {"type": "string"}}
    forms = {"application/jsonl": {**text}, "text/csv": {**text}}
    said = {"headers": dict(headers)} if headers else {}
    return {200: {"description": description, **said, "content": forms}}


def _text_header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _found(tag: dict[str, Any]) -> dict[str, Any]:
    return {"description": "The row", "headers": {"ETag": tag}}


def _extra(service: Service, verb: Verb) -> dict[str, Any]:
    return {"parameters": list(_parameters(service, verb)), **_examples(service, verb)}


def _query_extra(service: Service) -> dict[str, Any]:
    examples = example_queries(service.readable, service.paging.names)
    return {"requestBody": {"content": {_JSON: {"examples": examples}}}, **_examples(service, "list")}


def _examples(service: Service, verb: Verb) -> dict[str, Any]:
    """Whole bodies and answers, in the order of the model: what stands in a schema, Pydantic sorts by name."""
    body = service.schemas.example(_ROLES[verb]) if verb in _ROLES else None
    row = service.schemas.example("Read") if verb != "delete" else None
    sent = {"requestBody": {"content": {_JSON: {"example": body}}}} if body else {}
    if row is None or (verb == "list" and service.paging.envelope is not None):
        return sent
    forms = _list_examples(service, row) if verb == "list" else {_JSON: {"example": row}}
    return {**sent, "responses": {"201" if verb == "create" else "200": {"content": forms}}}


def _list_examples(service: Service, row: Mapping[str, JsonValue]) -> dict[str, Any]:
    table = CsvWriter(Selection(service.description, service.description.readable))
    return {
        _JSON: {"example": {"items": [row], "next": _CURSOR}},
        "application/jsonl": {"example": lines([row], to_json).decode()},
        "text/csv": {"example": (table.header() + table.rows([row])).decode()},
    }


def _parameters(service: Service, verb: Verb) -> Iterator[dict[str, Any]]:
    model, names = service.readable, service.paging.names
    if verb == "list":
        yield from list_parameters(model, names)
    elif verb == "read":
        yield from row_parameters(model, names)
        yield _header("If-None-Match", "Entity tags that the client has; 304 if the row is one of them.")
    elif verb in {"replace", "update", "delete"}:
        yield _header("If-Match", "Entity tags that the client accepts; 412 if the row is none of them.")
        yield _header(
            "If-None-Match", "Entity tags that the client refuses; 412 if the row is one of them, or `*`."
        )


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}
