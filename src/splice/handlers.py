"""HTTP request → verb → HTTP answer, for every generated route.

Each handler reads the request, hands one verb to the unit of work, and writes the answer; nothing about rows or SQL is
decided here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote, unquote_to_bytes, urlencode

from fastapi import Request, Response
from fastapi.routing import iter_route_contexts
from fastapi.security import APIKeyQuery
from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python
from sqlalchemy.orm import Session

from splice import operations
from splice.binds import AnySession
from splice.database import run_on
from splice.description import Description
from splice.errors import ContentTypeUnsupported, ForbiddenField, Invalid, Issue, UnknownParameter
from splice.operations import RowAnswer, Subject, any_state
from splice.parser import parse
from splice.plan import MAX_OFFSET, Readable, ReadPlan, plan_read
from splice.problems import allowed_methods, from_body_validation
from splice.schemas import Schemas
from splice.signatures import read_once
from splice.terms import Query, Verb

__all__ = [
    "HANDLERS",
    "Handler",
    "Service",
    "answer_options",
    "body_of",
    "query_of",
    "refuse_parameters",
]

_T = TypeVar("_T")
Handler: TypeAlias = Callable[["Service", Request, AnySession, Sequence[Any]], Awaitable[Response]]

_DECLARED: Final = "splice_declared_parameters"


@dataclass(frozen=True, slots=True)
class Service:
    """What the handlers of one resource need; `commits` where the session's own dependency does not."""

    subject: Subject
    readable: Readable
    schemas: Schemas
    commits: bool

    @property
    def description(self) -> Description:
        """The model that is served."""
        return self.subject.description


async def _list(service: Service, request: Request, session: AnySession, _key: Sequence[Any]) -> Response:
    plan = plan_read(query_of(request), service.readable)
    answer = await run_on(session, lambda inner: operations.find(inner, service.subject, plan))
    return _json(request, answer.body, {"Link": _links(request, plan, has_next=answer.has_next)})


async def _read(service: Service, request: Request, session: AnySession, key: Sequence[Any]) -> Response:
    refuse_parameters(request)
    answer = await run_on(session, lambda inner: operations.read(inner, service.subject, key))
    tag = f'"{answer.tag}"'
    # The tag is of this row alone; others that stand in the answer may have changed.
    known = service.subject.shape.covered and _names_weakly(_header(request, "if-none-match") or "", tag)
    if known:
        return Response(status_code=304, headers={"ETag": tag})
    return _json(request, answer.body, {"ETag": tag})


async def _create(service: Service, request: Request, session: AnySession, _key: Sequence[Any]) -> Response:
    refuse_parameters(request)
    body = await _parsed(request, service.schemas.Create, service.description)
    answer = await _write(service, session, lambda inner: operations.create(inner, service.subject, body))
    return _created(request, answer, _address_of(request, answer.key))


async def _replace(service: Service, request: Request, session: AnySession, key: Sequence[Any]) -> Response:
    refuse_parameters(request)
    body = await _parsed(request, service.schemas.Replace, service.description)
    allows, must_exist = _precondition(request), "if-match" in request.headers
    answer = await _write(
        service,
        session,
        lambda inner: operations.replace(inner, service.subject, key, body, allows, must_exist=must_exist),
    )
    return _created(request, answer, _own_address(request)) if answer.created else _row(request, answer)


async def _update(service: Service, request: Request, session: AnySession, key: Sequence[Any]) -> Response:
    refuse_parameters(request)
    body = await _parsed(request, service.schemas.Update, service.description)
    allows = _precondition(request)
    answer = await _write(
        service, session, lambda inner: operations.update(inner, service.subject, key, body, allows)
    )
    return _row(request, answer)


async def _delete(service: Service, request: Request, session: AnySession, key: Sequence[Any]) -> Response:
    refuse_parameters(request)
    allows = _precondition(request)
    await _write(service, session, lambda inner: operations.remove(inner, service.subject, key, allows))
    return Response(status_code=204)


HANDLERS: Final[Mapping[Verb, Handler]] = MappingProxyType(
    {
        "list": _list,
        "create": _create,
        "read": _read,
        "replace": _replace,
        "update": _update,
        "delete": _delete,
    }
)


@read_once
async def answer_options(request: Request) -> Response:
    """The methods that a path takes, routes of the user's own included."""
    methods = allowed_methods(request.scope["app"], request.scope)
    headers = {"Allow": ", ".join(methods)}
    if "PATCH" in methods:
        headers["Accept-Patch"] = "application/merge-patch+json, application/json"
    return Response(status_code=204, headers=headers)


def query_of(request: Request) -> Query:
    """The query language of a list request; parameters that a dependency declares are left to it."""
    _refuse_other_text(request)
    declared = _declared_parameters(request)
    return parse((name, value) for name, value in request.query_params.multi_items() if name not in declared)


async def _write(service: Service, session: AnySession, work: Callable[[Session], _T]) -> _T:
    def unit(inner: Session) -> _T:
        result = work(inner)
        if service.commits:
            operations.commit(inner, service.subject)
        return result

    return await run_on(session, unit)


def _json(request: Request, body: bytes, headers: Mapping[str, str], status: int = 200) -> Response:
    """An answer; that of HEAD says how long the body would be."""
    if request.method != "HEAD":
        return Response(body, status, dict(headers), "application/json")
    return Response(None, status, {**headers, "Content-Length": str(len(body))}, "application/json")


def _row(request: Request, answer: RowAnswer) -> Response:
    return _json(request, answer.body, {"ETag": f'"{answer.tag}"'})


def _created(request: Request, answer: RowAnswer, location: str | None) -> Response:
    headers = {"ETag": f'"{answer.tag}"'} | ({} if location is None else {"Location": location})
    return _json(request, answer.body, headers, 201)


# The body.


async def _parsed(request: Request, model: type[BaseModel], description: Description) -> BaseModel:
    _require_json(request)
    return body_of(await request.body(), model, description)


def body_of(raw: bytes, model: type[BaseModel], description: Description) -> BaseModel:
    """A body as its model: read once, from the bytes, by the rules of JSON and not of Python.

    Raises:
        Problem: It is not JSON, or does not fit the model.
    """
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise _refused(error, raw, model, description) from error


def _require_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (
        media_type == "application/json"
        or (media_type.startswith("application/") and media_type.endswith("+json"))
    ):
        raise ContentTypeUnsupported(
            "This route reads JSON", header="Content-Type", hint="send Content-Type: application/json"
        )


def _refused(
    error: ValidationError, raw: bytes, model: type[BaseModel], description: Description
) -> Exception:
    errors = error.errors(include_url=False)
    forbidden = [_forbidden(str(item["loc"][0])) for item in errors if _is_forbidden(item, description)]
    others = [item for item in errors if not _is_forbidden(item, description)]
    names = tuple(info.alias or name for name, info in model.model_fields.items())
    if not forbidden:
        return from_body_validation(others, raw, names)
    issues = [
        *forbidden,
        *(from_body_validation(others, raw, names).issues if others else ()),
    ]
    return ForbiddenField(forbidden[0].detail, issues=issues) if len(issues) == 1 else Invalid(issues=issues)


def _is_forbidden(error: Mapping[str, Any], description: Description) -> bool:
    """A visible field that clients may not write, as opposed to a name that is no field at all."""
    field = description.fields.get(str(error["loc"][0])) if error["loc"] else None
    return (
        error["type"] == "extra_forbidden" and len(error["loc"]) == 1 and field is not None and field.readable
    )


def _forbidden(name: str) -> Issue:
    return Issue(f"{name} cannot be written here", ForbiddenField.code, "leave it out", pointer=f"/{name}")


# Preconditions (RFC 9110, 13.1).


def _precondition(request: Request) -> Callable[[str], bool]:
    """Whether a row of some entity tag may be written, by `If-Match` and `If-None-Match`."""
    wanted, unwanted = _header(request, "if-match"), _header(request, "if-none-match")
    if wanted is None and unwanted is None:
        return any_state

    def allows(tag: str) -> bool:
        fits = wanted is None or _names_strongly(wanted, f'"{tag}"')
        return fits and not (unwanted is not None and _names_weakly(unwanted, f'"{tag}"'))

    return allows


def _header(request: Request, name: str) -> str | None:
    """A list header, which may come in several lines."""
    lines = request.headers.getlist(name)
    return ", ".join(lines) if lines else None


def _names_strongly(header: str, tag: str) -> bool:
    return header.strip() == "*" or tag in _tags(header)


def _names_weakly(header: str, tag: str) -> bool:
    return header.strip() == "*" or tag in (given.removeprefix("W/") for given in _tags(header))


def _tags(header: str) -> list[str]:
    return [part.strip() for part in header.split(",")]


# Addresses.


def _own_address(request: Request) -> str:
    """The path of this request as clients see it: below proxies and mounts, without a trailing slash."""
    root, path = request.scope.get("root_path", "").rstrip("/"), request.scope["path"]
    inner = path[len(root) :] if path == root or path.startswith(f"{root}/") else path
    return quote(root + inner.rstrip("/"))


def _address_of(request: Request, key: Sequence[Any]) -> str | None:
    """The path of a row below this collection; None for a key that no path reaches, only a filter."""
    texts = [str(to_jsonable_python(value, bytes_mode="base64")) for value in key]
    if any(text in {"", ".", ".."} or "/" in text for text in texts):
        return None
    return "/".join([_own_address(request), *(quote(text, safe="") for text in texts)])


def _links(request: Request, plan: ReadPlan, *, has_next: bool) -> str:
    """`Link` (RFC 8288) to the neighbours of a page."""
    links = [("first", 0)]
    if plan.offset:
        links.append(("prev", max(plan.offset - plan.limit, 0)))
    if has_next and plan.offset + plan.limit <= MAX_OFFSET:
        links.append(("next", plan.offset + plan.limit))
    return ", ".join(f'<{_page_address(request, plan.limit, offset)}>; rel="{rel}"' for rel, offset in links)


def _page_address(request: Request, limit: int, offset: int) -> str:
    kept = [
        (name, value) for name, value in request.query_params.multi_items() if name not in {"limit", "offset"}
    ]
    return f"{_own_address(request)}?{urlencode([*kept, ('limit', limit), ('offset', offset)])}"


# Parameters.


def refuse_parameters(request: Request) -> None:
    """A parameter that nothing reads is a mistake of the client: say so."""
    _refuse_other_text(request)
    unknown = set(request.query_params) - _declared_parameters(request) if request.query_params else None
    if unknown:
        raise UnknownParameter(issues=[_unknown_parameter(name) for name in sorted(unknown)])


def _refuse_other_text(request: Request) -> None:
    """Servers read what is not UTF-8 as replacement characters or as Latin-1: as another text than the client sent."""
    for name, raw in (
        ("path", request.scope.get("raw_path") or b""),
        ("query string", request.scope["query_string"]),
    ):
        try:
            raw.decode("ascii")
            unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            hint = "percent-encode its UTF-8 bytes: é is %C3%A9"
            raise Invalid(
                issues=[Issue(f"The {name} is not percent-encoded UTF-8", "not-utf-8", hint)]
            ) from None


def _unknown_parameter(name: str) -> Issue:
    return Issue(
        "This route takes no such parameter", UnknownParameter.code, "leave it out", parameter=name[:100]
    )


def _declared_parameters(request: Request) -> frozenset[str]:
    """Query parameters that the dependencies of this route declare, at whatever level they were added."""
    app, route = request.scope["app"], request.scope["route"]
    # Kept by the application: one route may stand in several, behind other dependencies in each.
    known: dict[int, frozenset[str]] = getattr(app.state, _DECLARED, {})
    setattr(app.state, _DECLARED, known)
    if id(route) not in known:
        known[id(route)] = frozenset(_iter_declared(app.routes, route))
    return known[id(route)]


def _iter_declared(routes: Iterable[Any], route: Any) -> Iterator[str]:
    for context in iter_route_contexts(list(routes)):
        if context.original_route is route:
            yield from _declared_by(context.dependant)


def _declared_by(dependant: Any) -> Iterator[str]:
    for parameter in dependant.query_params:
        yield from _aliases(parameter)
    if isinstance(dependant.call, APIKeyQuery):
        yield dependant.call.model.name
    for below in dependant.dependencies:
        yield from _declared_by(below)


def _aliases(parameter: Any) -> Iterator[str]:
    annotation = parameter.field_info.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from (
            str(info.validation_alias or info.alias or name) for name, info in annotation.model_fields.items()
        )
    else:
        yield str(parameter.field_info.validation_alias or parameter.alias)
