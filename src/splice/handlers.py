"""HTTP request → verb → HTTP answer, for every generated route.

Each handler reads the request, hands one verb to the unit of work, and writes the answer; nothing about rows or SQL is
decided here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote_to_bytes, urlencode

from fastapi import Request, Response
from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python
from sqlalchemy.orm import Session

from splice import operations
from splice.binds import AnySession
from splice.description import Description
from splice.documents import parse_document
from splice.downloads import Source, download, download_headers
from splice.errors import (
    ContentTypeUnsupported,
    ForbiddenField,
    Invalid,
    Issue,
    NotAcceptable,
    RouteNotFound,
    UnknownParameter,
)
from splice.exports import MediaType, media_type_of
from splice.grammar import NAMES, Names
from splice.operations import RowAnswer, any_state
from splice.paging import Answered, Paging, neighbours, start_of
from splice.parser import parse
from splice.plan import plan_children, plan_read, plan_row
from splice.problems import allowed_methods, from_body_validation
from splice.reads import ReadPlan
from splice.services import Service
from splice.signatures import read_once
from splice.surroundings import surroundings_of
from splice.terms import Query, Verb
from splice.transactions import is_shared, run_unit, write_unit

__all__ = [
    "HANDLERS",
    "Handler",
    "Listing",
    "answer_options",
    "answer_query",
    "body_of",
    "children_of",
    "list_of",
    "list_of_children",
    "list_of_document",
    "query_of",
    "refuse_parameters",
]

Handler: TypeAlias = Callable[["Service", Request, AnySession, Sequence[Any]], Awaitable[Response]]

_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that was asked for: whose rows, by which plan; `most` is the limit that it states.

    `check` is asked of a list without rows: whether there is what it is a list of.
    """

    service: Service
    plan: ReadPlan
    most: int | None
    check: Callable[[Session], None] | None = None

    def find(self, session: Session) -> operations.Page:
        """Read the page."""
        return operations.find(session, self.service.subject, self.plan, self.check)

    def chunks(self, media_type: MediaType) -> operations.Chunks:
        """Read all of it."""
        return operations.chunks_of(self.service.subject, self.plan, media_type, self.most, self.check)


async def _list(service: Service, request: Request, session: AnySession, _key: Sequence[Any]) -> Response:
    media_type = _acceptable(request)
    return await _answer_list(list_of(service, request, media_type), request, session, media_type)


async def answer_query(
    service: Service, request: Request, session: AnySession, _key: Sequence[Any]
) -> Response:
    """The list that a document asks for, by POST or QUERY."""
    refuse_parameters(request)
    _require_json(request)
    media_type = _acceptable(request)
    listing = list_of_document(service, await request.body(), media_type)
    return await _answer_list(listing, request, session, media_type)


def children_of(relation: str) -> Handler:
    """The handler of the rows behind a relation of one row: the list of their own resource, narrowed."""

    async def children(
        service: Service, request: Request, session: AnySession, key: Sequence[Any]
    ) -> Response:
        media_type = _acceptable(request)
        listing = list_of_children(service, relation, request, key, media_type)
        return await _answer_list(listing, request, session, media_type)

    return children


def list_of(service: Service, request: Request, media_type: MediaType = _JSON) -> Listing:
    """What a query string asks for."""
    return _listing(service, query_of(request, service.paging.names), media_type)


def list_of_document(service: Service, raw: bytes, media_type: MediaType = _JSON) -> Listing:
    """What a JSON document asks for."""
    return _listing(service, parse_document(raw, service.paging.names), media_type)


def list_of_children(
    service: Service,
    relation: str,
    request: Request,
    key: Sequence[Any],
    media_type: MediaType = _JSON,
) -> Listing:
    """What a query string asks for among the rows behind a relation.

    Raises:
        RouteNotFound: No resource serves those rows.
    """
    link = service.description.links[relation]
    target = service.related.service(link.target)
    if target is None:
        raise RouteNotFound("Nothing is served at this path")
    query = query_of(request, target.paging.names)
    asked = _asked(query, target.paging, media_type)
    plan = plan_children(asked, target.readable, service.readable, link, tuple(key))

    return Listing(target, plan, query.limit, lambda inner: operations.require(inner, service.subject, key))


def _listing(service: Service, query: Query, media_type: MediaType) -> Listing:
    plan = plan_read(_asked(query, service.paging, media_type), service.readable)
    return Listing(service, plan, query.limit)


def _asked(query: Query, paging: Paging, media_type: MediaType) -> Query:
    """A query as its list is planned: a page is counted where that is the convention, a download has no pages."""
    if media_type == _JSON:
        return replace(query, count=query.count or paging.always_count)
    if query.count is not None:
        at = query.at("count")
        detail, hint = "A table has no place for a count", "leave it out, or ask for application/json"
        raise Invalid(issues=[Issue(detail, "no-table", hint, at.pointer, at.parameter)])
    if query.limit == 0:
        at = query.at("limit")
        raise Invalid(
            issues=[Issue("At least one row is asked for", "out-of-range", None, at.pointer, at.parameter)]
        )
    if query.page:
        # A page is as long as it was said to be; from there on all is read.
        start = (query.page - 1) * (query.limit or paging.default_limit)
        query = replace(query, page=None, offset=start, places={**query.places, "offset": query.at("page")})
    return replace(query, limit=None)


async def _answer_list(
    listing: Listing, request: Request, session: AnySession, media_type: MediaType
) -> Response:
    if media_type != _JSON:
        return await _download(listing, request, session, media_type)
    page = await run_unit(listing.service, request, session, listing.find)
    paging, answered = listing.service.paging, _answered(listing.plan, page)
    headers = {"Vary": "Accept"}
    if request.method in {"GET", "HEAD"}:
        headers["Link"] = _links(request, paging, answered)
    return _json(request, paging.body(page.rows.items, answered), headers)


def _answered(plan: ReadPlan, page: operations.Page) -> Answered:
    beside, counted = neighbours(plan, page.rows), page.counted
    return Answered(
        limit=plan.limit,
        offset=start_of(plan),
        next=beside.next,
        previous=beside.previous,
        total=None if counted is None else counted.total,
        total_is=None if counted is None or plan.count == "exact" else counted.kind,
    )


def _acceptable(request: Request) -> MediaType:
    media_type = media_type_of(_header(request, "accept"))
    if media_type is None:
        raise NotAcceptable(
            "This list can be sent as application/json, application/jsonl and text/csv", header="Accept"
        )
    return media_type


async def _download(
    listing: Listing, request: Request, session: AnySession, media_type: MediaType
) -> Response:
    service = listing.service
    chunks = listing.chunks(media_type)
    name = f"{service.description.table}.{'csv' if media_type == 'text/csv' else 'jsonl'}"
    db = None if is_shared(service, request) else service.db
    source = Source(session, db, lasting=service.lasting)
    answer = await download(source, chunks, name, media_type)
    if request.method == "HEAD":
        # What would be wrong with the list is wrong with its head.
        return Response(None, headers=download_headers(name), media_type=media_type)
    return answer


async def _read(service: Service, request: Request, session: AnySession, key: Sequence[Any]) -> Response:
    query = query_of(request, service.paging.names) if request.query_params else Query()
    plan = plan_row(query, service.readable, key)
    answer = await run_unit(
        service, request, session, lambda inner: operations.read(inner, service.subject, key, plan)
    )
    if answer.tag is None:
        return _json(request, answer.body, {})
    tag = f'"{answer.tag}"'
    # The tag is of this row alone; others that stand in the answer may have changed.
    known = service.subject.shape.covered and _names_weakly(_header(request, "if-none-match") or "", tag)
    if known:
        return Response(status_code=304, headers={"ETag": tag})
    return _json(request, answer.body, {"ETag": tag})


async def _create(service: Service, request: Request, session: AnySession, _key: Sequence[Any]) -> Response:
    refuse_parameters(request)
    body = await _parsed(request, service.schemas.Create, service.description)
    answer = await write_unit(
        service, request, session, lambda inner: operations.create(inner, service.subject, body)
    )
    return _created(request, answer, _address_of(request, answer.key))


async def _replace(service: Service, request: Request, session: AnySession, key: Sequence[Any]) -> Response:
    refuse_parameters(request)
    body = await _parsed(request, service.schemas.Replace, service.description)
    allows, must_exist = _precondition(request), "if-match" in request.headers
    answer = await write_unit(
        service,
        request,
        session,
        lambda inner: operations.replace(inner, service.subject, key, body, allows, must_exist=must_exist),
    )
    return _created(request, answer, _own_address(request)) if answer.created else _row(request, answer)


async def _update(service: Service, request: Request, session: AnySession, key: Sequence[Any]) -> Response:
    refuse_parameters(request)
    body = await _parsed(request, service.schemas.Update, service.description)
    allows = _precondition(request)
    answer = await write_unit(
        service, request, session, lambda inner: operations.update(inner, service.subject, key, body, allows)
    )
    return _row(request, answer)


async def _delete(service: Service, request: Request, session: AnySession, key: Sequence[Any]) -> Response:
    refuse_parameters(request)
    allows = _precondition(request)
    await write_unit(
        service, request, session, lambda inner: operations.remove(inner, service.subject, key, allows)
    )
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
    if "QUERY" in methods:
        headers["Accept-Query"] = "application/json"
    return Response(status_code=204, headers=headers)


def query_of(request: Request, names: Names = NAMES) -> Query:
    """The query language of a list request; parameters that a dependency declares are left to it."""
    _refuse_other_text(request)
    declared = surroundings_of(request).declared
    asked = (item for item in request.query_params.multi_items() if item[0] not in declared)
    return parse(asked, names)


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


def _links(request: Request, paging: Paging, answered: Answered) -> str:
    """`Link` (RFC 8288) to the first page and the neighbours of this one."""
    ways = {
        "first": {},
        "prev": paging.address(answered, back=True),
        "next": paging.address(answered, back=False),
    }
    return ", ".join(
        f'<{_page_address(request, paging, answered.limit, way)}>; rel="{rel}"'
        for rel, way in ways.items()
        if way is not None
    )


def _page_address(request: Request, paging: Paging, limit: int, way: Mapping[str, str]) -> str:
    others = {paging.limit, *paging.positions}
    kept = [item for item in request.query_params.multi_items() if item[0] not in others]
    return f"{_own_address(request)}?{urlencode([*kept, (paging.limit, limit), *way.items()])}"


# Parameters.


def refuse_parameters(request: Request) -> None:
    """A parameter that nothing reads is a mistake of the client: say so."""
    _refuse_other_text(request)
    unknown = set(request.query_params) - surroundings_of(request).declared if request.query_params else None
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
