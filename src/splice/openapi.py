"""What OpenAPI says about generated routes: parameters, headers, answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from splice.description import Field
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
from splice.handlers import Service
from splice.parser import PARAMETERS
from splice.plan import MAX_OFFSET, Readable
from splice.problems import responses
from splice.schemas import Page
from splice.terms import Verb

__all__ = ["documentation", "list_parameters"]

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
        "list": (Invalid, UnknownField, *_ANY),
        "read": (NotFound, Invalid, UnknownParameter, *_ANY),
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


def documentation(service: Service, verb: Verb) -> dict[str, Any]:
    """The options of `add_api_route` that only the document shows."""
    name, read = service.description.name, service.schemas.Read
    options: dict[str, Any] = {
        "summary": _SUMMARIES[verb].format(a=article(name), name=name, names=service.description.table),
        "description": _describe(verb),
        "responses": {**responses(*_PROBLEMS[verb]), **_successes(service, verb)},
        "openapi_extra": _Parameters(partial(_parameters, service, verb)),
    }
    if verb == "delete":
        return {**options, "status_code": 204}
    model = Page[read] if verb == "list" else read  # type: ignore[valid-type]  # from a value
    return {**options, "response_model": model, "status_code": 201 if verb == "create" else 200}


class _Parameters(dict[str, Any]):
    """The parameters of a route, made when FastAPI reads them: a service of 400 tables may never show its document."""

    def __init__(self, make: Callable[[], list[dict[str, Any]]]) -> None:
        super().__init__(parameters=[])
        self._make = make

    def items(self) -> Any:  # what the base says has no public name
        self["parameters"] = self["parameters"] or self._make()
        return super().items()


def list_parameters(model: Readable) -> list[dict[str, Any]]:
    """The query language of a list request, one parameter a field."""
    names, schemas = list(model.fields), _value_schemas(model)
    terms = [spelt for name in names for spelt in (name, f"-{name}")]
    return [
        *(_filter(field, schemas[field.name]) for field in model.fields.values()),
        {
            "name": "order_by",
            "in": "query",
            "description": "Sort terms; `-` sorts descending; NULLs come last, ties are ordered by key.",
            "style": "form",
            "explode": False,
            "schema": {"type": "array", "items": {"type": "string", "enum": terms}, "minItems": 1},
        },
        _rows("limit", "Rows in the page.", 1, model.max_limit, model.default_limit),
        _rows("offset", "Rows to skip.", 0, MAX_OFFSET, 0),
        {
            "name": "count",
            "in": "query",
            "description": "`exact` adds `total`, the number of all rows that match.",
            "schema": {"type": "string", "enum": ["exact"]},
        },
    ]


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
        return {200: {"description": "A page of rows", "headers": {"Link": link}}}
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


def _text_header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _found(tag: dict[str, Any]) -> dict[str, Any]:
    return {"description": "The row", "headers": {"ETag": tag}}


def _parameters(service: Service, verb: Verb) -> list[dict[str, Any]]:
    if verb == "list":
        return list_parameters(service.readable)
    if verb == "read":
        return [_header("If-None-Match", "Entity tags that the client has; 304 if the row is one of them.")]
    if verb in {"replace", "update", "delete"}:
        return [
            _header("If-Match", "Entity tags that the client accepts; 412 if the row is none of them."),
            _header(
                "If-None-Match", "Entity tags that the client refuses; 412 if the row is one of them, or `*`."
            ),
        ]
    return []


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _rows(name: str, description: str, least: int, most: int, default: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _filter(field: Field, schema: dict[str, Any]) -> dict[str, Any]:
    name = f"{field.name}__eq" if field.name in PARAMETERS else field.name
    described = f"{field.doc} " if field.doc else ""
    return {
        "name": name,
        "in": "query",
        "description": f"{described}Only rows with this value; repeated, with any of them.",
        "style": "form",
        "explode": True,
        "schema": {"type": "array", "items": schema},
    }


def _value_schemas(model: Readable) -> dict[str, dict[str, Any]]:
    """The JSON schema of each field's values, all made in one go."""
    typed_dict: Any = TypedDict  # a checker wants a literal dictionary here
    schema = TypeAdapter(typed_dict("values", dict(model.adapters.types))).json_schema()
    definitions = schema.get("$defs", {})
    return {name: _inlined(found, definitions) for name, found in schema.get("properties", {}).items()}


def _inlined(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema without references, which a parameter has no place for, and without the title made of its name."""
    said = {key: value for key, value in schema.items() if key not in {"$ref", "title"}}
    reference = schema.get("$ref")
    return said if reference is None else {**definitions[reference.rsplit("/", 1)[-1]], **said}
