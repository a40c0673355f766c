"""Errors → RFC 9457 documents, and what OpenAPI says about them.

Depends on `splice.errors` and `splice.issues` alone: a Resource answers its own problems without `install`.
"""

from __future__ import annotations

import copy
import http
import inspect
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from html import escape
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from fastapi.routing import iter_route_contexts
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.responses import Response
from starlette.routing import BaseRoute, Host, Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from splice.errors import (
    BodyTooLarge,
    Invalid,
    Issue,
    MalformedBody,
    Problem,
    UnknownField,
    UnknownParameter,
)
from splice.issues import issue_of

__all__ = [
    "MAX_ISSUES",
    "MEDIA_TYPE",
    "Answer",
    "Exchange",
    "Renderer",
    "allowed_methods",
    "answer_of",
    "begin_exchange",
    "document",
    "end_exchange",
    "exchange_of",
    "explain",
    "explain_as_page",
    "from_body_validation",
    "from_content_length",
    "from_http_exception",
    "from_reading",
    "from_validation",
    "hoist",
    "problem_classes",
    "render",
    "responses",
    "schema",
]

MEDIA_TYPE: Final = "application/problem+json"
MAX_ISSUES: Final = 100

_SCOPE_KEY: Final = "splice"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A problem as it will be written down.

    `code` is None for an HTTP status without a meaning of its own (`about:blank`); `members` are extension
    members of the document, already fit for JSON.
    """

    status: int
    title: str
    detail: str
    code: str | None = None
    issues: tuple[Issue, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)


Renderer: TypeAlias = Callable[[Answer, Scope], Response]


@dataclass(slots=True)
class Exchange:
    """One request and its answer, as far as errors are concerned; lives in the ASGI scope.

    `root_path` is that of the app, without the mounts inside it; `reported` holds what the log has already.
    """

    request_id: str
    root_path: str
    problems: str = "/problems"
    renderer: Renderer | None = None
    reported: list[BaseException] = field(default_factory=list)


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of this request, begun here where `install` has not done so."""
    exchange = scope.get(_SCOPE_KEY)
    if not isinstance(exchange, Exchange):
        root_path = scope.get("app_root_path", scope.get("root_path", ""))
        exchange = scope[_SCOPE_KEY] = Exchange(_request_id(scope), root_path)
    return exchange


def begin_exchange(scope: Scope, problems: str | None, renderer: Renderer | None) -> Exchange | None:
    """Begin the exchange of this request with an app.

    Returns:
        The exchange with the app around this one, whose request id and log it shares.
    """
    outer = scope.get(_SCOPE_KEY)
    begun = Exchange(_request_id(scope), scope.get("root_path", ""), problems or "/problems", renderer)
    if isinstance(outer, Exchange):
        begun.request_id, begun.reported = outer.request_id, outer.reported
    scope[_SCOPE_KEY] = begun
    return outer if isinstance(outer, Exchange) else None


def end_exchange(scope: Scope, outer: Exchange | None) -> None:
    """Go back to the exchange with the app around; the outermost one stays for those who write logs."""
    if outer is not None:
        scope[_SCOPE_KEY] = outer


def _request_id(scope: Scope) -> str:
    for name, value in scope.get("headers", ()):
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return os.urandom(16).hex()


def render(problem: Problem | Answer, scope: Scope) -> Response:
    """The response for a problem, written by the renderer that `install` was given, else as RFC 9457.

    Args:
        problem: A problem, or an answer made from another error.
        scope: The ASGI scope of the request; takes a request id if it has none yet.
    """
    answer = answer_of(problem) if isinstance(problem, Problem) else problem
    renderer = exchange_of(scope).renderer or _render_document
    return renderer(answer, scope)


def _render_document(answer: Answer, scope: Scope) -> Response:
    """The default renderer."""
    body = json.dumps(document(answer, scope), ensure_ascii=False, separators=(",", ":"))
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in _OURS}
    headers["X-Request-ID"] = exchange_of(scope).request_id
    return Response(body.encode(), answer.status, headers, MEDIA_TYPE)


_OURS: Final = frozenset({"content-type", "content-length", "x-request-id"})


def answer_of(problem: Problem) -> Answer:
    """What a problem says, as a value."""
    seconds = problem.retry_after_seconds
    return Answer(
        status=problem.status,
        title=problem.title,
        detail=problem.detail,
        code=problem.code,
        issues=problem.issues,
        headers={} if seconds is None else {"Retry-After": str(seconds)},
    )


def document(problem: Problem | Answer, scope: Scope) -> dict[str, Any]:
    """The members of an RFC 9457 problem document, absent ones left out.

    >>> from splice.errors import NotFound
    >>> written = document(
    ...     NotFound("no user 7"), {"root_path": "/api", "headers": [(b"x-request-id", b"r1")]}
    ... )
    >>> written["type"], written["status"], written["detail"], written["instance"]
    ('/api/problems/not-found', 404, 'no user 7', 'r1')
    """
    answer = answer_of(problem) if isinstance(problem, Problem) else problem
    exchange = exchange_of(scope)
    written = {
        **answer.members,
        "type": f"{exchange.root_path}{exchange.problems}/{answer.code}" if answer.code else "about:blank",
        "title": answer.title,
        "status": answer.status,
        "detail": _unicode(answer.detail),
        "instance": exchange.request_id,
    }
    if answer.issues:
        written["errors"] = [_issue(issue) for issue in answer.issues[:MAX_ISSUES]]
    return written


def _issue(issue: Issue) -> dict[str, str]:
    members = {
        name: getattr(issue, name) for name in ("detail", "code", "hint", "pointer", "parameter", "header")
    }
    return {name: _unicode(value) for name, value in members.items() if value is not None}


def _unicode(text: str) -> str:
    """Lone surrogates spelt out: they have no UTF-8 form, and a name that a client sent may hold some."""
    return text.encode("utf-8", "backslashreplace").decode()


def from_http_exception(error: HTTPException) -> Answer:
    """An HTTP exception of 400 to 599, its detail and headers kept.

    A detail that is not text stands in the extension member `data`.
    """
    title = _phrase(error.status_code)
    detail: Any = error.detail
    text = isinstance(detail, str)
    return Answer(
        status=error.status_code,
        title=title,
        detail=(detail if text else None) or title,
        headers=dict(error.headers or {}),
        members={} if text or detail is None else {"data": _plain(detail)},
    )


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Client error" if status < 500 else "Server error"  # RFC 9110, section 15


def _plain(value: Any) -> Any:
    """Any value as plain JSON data; what JSON cannot say becomes null or text, so that it can be sent."""
    return json.loads(to_json(value, inf_nan_mode="null", fallback=str, bytes_mode="base64"))


def from_reading(error: HTTPException) -> Problem | None:
    """What FastAPI and Starlette mean by an exception that they raise while the body of a request is read.

    Returns:
        None for any other exception, such as one of the user's own.
    """
    match error.status_code, error.detail:
        case 400, "There was an error parsing the body":
            return MalformedBody("The body cannot be read", hint="send one JSON value, in UTF-8")
        case 413, "Content Too Large" | "Request Entity Too Large":
            return _too_large()
    return None


def from_content_length(scope: Scope) -> Problem | None:
    """The refusal of a request that announces a larger body than its route takes.

    Starlette refuses one whose body nobody reads only when the answer begins: after a row was deleted.
    """
    limit = scope.get(MAX_BODY_SIZE_SCOPE_KEY)
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return _too_large() if limit is not None and announced.isdigit() and int(announced[:19]) > limit else None


def _too_large() -> BodyTooLarge:
    return BodyTooLarge("The body is larger than this service accepts")


def from_validation(errors: Sequence[Mapping[str, Any]], body: Any = None) -> Problem:
    """The problem behind a `RequestValidationError`.

    Args:
        errors: As FastAPI gives them: `loc` begins with the part of the request.
        body: What the client sent; tells members of the body from names of union branches. Never quoted.
    """
    if any(_is_unreadable(error) for error in errors):
        return _unreadable(errors[0]["loc"])
    return _invalid([_issue_of(error, body) for error in errors])


def from_body_validation(
    errors: Sequence[Mapping[str, Any]], body: Any = None, names: Sequence[str] = ()
) -> Problem:
    """The problem behind a Pydantic `ValidationError` of a body.

    Args:
        errors: As `ValidationError.errors()` gives them: `loc` begins at the root of the body.
        body: The body, as bytes or parsed; tells its members from names of union branches. Never quoted.
        names: The fields of the body; the nearest one is the hint for an unknown one.
    """
    parsed = _parse(body) if isinstance(body, bytes | bytearray) else body
    if any(error["type"] == "json_invalid" and not error["loc"] for error in errors):
        torn = _torn_text(parsed)
        return _unreadable(()) if torn is None else _invalid([torn])
    return _invalid([_body_issue(error, error["loc"], parsed, names) for error in errors])


def _is_unreadable(error: Mapping[str, Any]) -> bool:
    # A field of type pydantic.Json has json_invalid too, but in a body that could be read.
    return bool(error["type"] == "json_invalid" and error["msg"] == "JSON decode error")


def _unreadable(loc: Sequence[str | int]) -> MalformedBody:
    place = f" from character {loc[1]} on" if len(loc) > 1 else ""
    return MalformedBody(f"The body is not JSON{place}", hint="send one JSON value, in UTF-8")


def _invalid(issues: Sequence[Issue]) -> Invalid:
    for cls in (UnknownField, UnknownParameter):
        if all(issue.code == cls.code for issue in issues):
            return cls(_summary(issues), issues=issues)
    return Invalid(_summary(issues), issues=issues)


def _summary(issues: Sequence[Issue]) -> str:
    if len(issues) == 1:
        return issues[0].detail
    shown = f"; the first {MAX_ISSUES} are listed" if len(issues) > MAX_ISSUES else ""
    return f"{len(issues)} things are wrong with the request{shown}"


def _issue_of(error: Mapping[str, Any], body: Any) -> Issue:
    part, *path = error["loc"] or ("body",)
    if part == "body":
        return _body_issue(error, path, body, ())
    name = str(path[0]) if path else None
    if part == "header":
        return issue_of(error, header=name)
    if part == "cookie":
        issue = issue_of(error, header="Cookie")
        return replace(issue, detail=f"Cookie {name!r}: {issue.detail}")
    if error["type"] == "extra_forbidden":
        return Issue(f"There is no parameter {name!r}", UnknownParameter.code, parameter=name)
    return issue_of(error, parameter=name)


def _body_issue(error: Mapping[str, Any], loc: Sequence[str | int], body: Any, names: Sequence[str]) -> Issue:
    path = list(_path(loc, body, error["type"]))
    pointer = "".join(f"/{_escape(part)}" for part in path)
    if error["type"] == "missing" and not path:
        return Issue("A JSON body is required", "missing", pointer="")
    if error["type"] == "extra_forbidden":
        return _unknown_field(str(path[-1]) if path else "", pointer, names if len(path) == 1 else ())
    hint = "send it with Content-Type: application/json" if isinstance(body, bytes) and not path else None
    return issue_of(error, hint=hint, pointer=pointer)


def _unknown_field(name: str, pointer: str, names: Sequence[str]) -> Issue:
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else None
    return Issue(f"There is no field {name!r}", UnknownField.code, hint, pointer=pointer)


def _path(loc: Sequence[str | int], body: Any, kind: str) -> Iterator[str | int]:
    """The parts of `loc` that are members of the body: Pydantic also names union branches and validators."""
    if body is None:
        yield from (part for part in loc if isinstance(part, int) or not _BRANCH.search(part))
        return
    here = body
    for depth, part in enumerate(loc, 1):
        if _has(here, part):
            here = here[part]
            yield part
        elif depth == len(loc) and kind == "missing":
            yield part


_BRANCH: Final = re.compile(
    r"[\[(]|^(function|constrained|lax-or-strict|json-or-python|is-instance|nullable)\b"
)


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _escape(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _parse(body: bytes | bytearray) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _torn_text(parsed: Any) -> Issue | None:
    r"""Text such as "\ud800" is JSON by the grammar, but no Unicode, and no database can store it."""
    waiting = [("", parsed)]
    while waiting:
        pointer, value = waiting.pop()
        if _is_torn(value) or (isinstance(value, dict) and any(map(_is_torn, value))):
            return Issue("Text holds half a surrogate pair", "lone-surrogate", pointer=pointer)
        waiting.extend((f"{pointer}/{_escape(name)}", part) for name, part in _parts(value))
    return None


def _is_torn(value: Any) -> bool:
    return isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value)


def _parts(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def allowed_methods(app: Starlette | Sequence[BaseRoute], scope: Scope) -> tuple[str, ...]:
    """The methods that reach a handler at the path of this request, sorted.

    Starlette's own `Allow` names the methods of the first route that fits; here every method is tried over
    all routes, those of included routers and mounts too.

    Args:
        app: The app, or its routes.
        scope: The ASGI scope of a request; is not changed.
    """
    routes = app.routes if isinstance(app, Starlette) else app
    methods = sorted(_COMMON_METHODS | set(_declared_methods(routes)))
    # FastAPI leaves in `fastapi` which route it chose; the routes would take it for their own.
    probe = {**scope, "type": "http", "path_params": {}, "fastapi": {}}
    # The second root is for an app that is mounted without an `install` of its own.
    for root_path in (exchange_of(scope).root_path, scope.get("root_path", "")):
        probe["root_path"] = root_path
        if found := tuple(method for method in methods if _is_answered(routes, {**probe, "method": method})):
            return found
    return ()


_COMMON_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


def _declared_methods(routes: Sequence[BaseRoute]) -> Iterator[str]:
    for route in iter_route_contexts(routes):
        if isinstance(route.original_route, Mount | Host):
            yield from _declared_methods(route.original_route.routes)
        else:
            yield from route.methods or ()


def _is_answered(routes: Sequence[BaseRoute], scope: Scope) -> bool:
    for route in routes:
        match, child_scope = route.matches(scope)
        if match is Match.FULL:
            mount = _mount_of(route, scope)
            return _is_answered_by_mount(mount, {**scope, **child_scope}) if mount else True
    return False


def _mount_of(route: BaseRoute, scope: Scope) -> Mount | Host | None:
    """The mount that answers, where the route is one or a router that has some."""
    for inner in iter_route_contexts([route]):
        original = inner.original_route
        if isinstance(original, Mount | Host) and inner.matches(scope)[0] is Match.FULL:
            return original
    return None


def _is_answered_by_mount(mount: Mount | Host, scope: Scope) -> bool:
    if isinstance(mount.app, StaticFiles):
        return scope["method"] in {"GET", "HEAD"}
    return _is_answered(mount.routes, scope) if mount.routes else True


def responses(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """What `responses=` of a route takes: for each status, the problems that it can answer with.

    >>> from splice.errors import NotFound
    >>> responses(NotFound)[404]["description"]
    'Not found (`not-found`)'
    """
    by_status: dict[int | str, list[type[Problem]]] = {}
    for problem in problems:
        by_status.setdefault(problem.status, []).append(problem)
    return {status: _response(by_status[status]) for status in sorted(by_status, key=int)}


def _response(problems: Sequence[type[Problem]]) -> dict[str, Any]:
    named = (f"{problem.title} (`{problem.code}`)" for problem in dict.fromkeys(problems))
    described = {
        "description": ", ".join(named),
        "content": {MEDIA_TYPE: {"schema": schema(), "example": _example(problems[0])}},
    }
    if any(problem.passes_after_seconds is not None for problem in problems):
        described["headers"] = {"Retry-After": {"description": "In seconds", "schema": {"type": "integer"}}}
    return described


def _example(problem: type[Problem]) -> dict[str, Any]:
    said = {"type": f"/problems/{problem.code}", "title": problem.title, "status": problem.status}
    return {**said, "detail": problem.title, "instance": "0f0e8d1c2b3a4958"}


def schema() -> dict[str, Any]:
    """The JSON schema of a problem document, made anew each time: who builds an OpenAPI document changes its parts."""
    return {
        "title": "Problem",
        "description": "A problem document (RFC 9457).",
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": {
                "type": "string",
                "format": "uri-reference",
                "description": "Which problem, and its page",
            },
            "title": {"type": "string", "description": "The problem in words, the same every time"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What happened this time"},
            "instance": {
                "type": "string",
                "description": "Id of the request, as in X-Request-ID and the log",
            },
            "errors": {
                "type": "array",
                "description": "Each thing that is wrong, and where",
                "items": {
                    "type": "object",
                    "required": ["detail", "code"],
                    "properties": {
                        "detail": {"type": "string"},
                        "code": {"type": "string"},
                        "hint": {"type": "string", "description": "What would fix it"},
                        "pointer": {"type": "string", "description": "JSON Pointer into the body (RFC 6901)"},
                        "parameter": {"type": "string", "description": "Query or path parameter"},
                        "header": {"type": "string", "description": "Request header"},
                    },
                },
            },
        },
    }


_REF: Final = "#/components/schemas/"


def hoist(openapi: Mapping[str, Any]) -> dict[str, Any]:
    """An OpenAPI document in which the schema of problems stands once, in place of FastAPI's own.

    Hoisting what is hoisted changes nothing.
    """
    hoisted = copy.deepcopy(dict(openapi))
    schemas = hoisted.get("components", {}).get("schemas", {})
    name = "Problem" if schemas.get("Problem", schema()) == schema() else "ProblemDocument"
    used = [_refer(content, name) for content in _contents(hoisted)]
    if any(used):
        schemas = hoisted.setdefault("components", {}).setdefault("schemas", {})
        schemas[name] = schema()
        hoisted["components"]["schemas"] = dict(sorted(schemas.items()))
    for unused in ("HTTPValidationError", "ValidationError"):
        _drop_unused(hoisted, unused)
    return hoisted


def _contents(node: Any) -> Iterator[dict[str, Any]]:
    """Every `content` of a response, of paths, webhooks and callbacks alike."""
    if isinstance(node, dict):
        for name, child in node.items():
            if name == "responses" and isinstance(child, dict):
                yield from (answer["content"] for answer in child.values() if "content" in answer)
            yield from _contents(child)
    elif isinstance(node, list):
        for child in node:
            yield from _contents(child)


def _refer(content: dict[str, Any], name: str) -> bool:
    """Let one `content` refer to the hoisted schema; tells whether it does."""
    ref = {"schema": {"$ref": _REF + name}}
    if content.get("application/json", {}).get("schema") == {"$ref": f"{_REF}HTTPValidationError"}:
        del content["application/json"]
        content[MEDIA_TYPE] = ref
    if content.get(MEDIA_TYPE, {}).get("schema") == schema():
        content[MEDIA_TYPE] = ref
    return bool(content.get(MEDIA_TYPE) == ref)


def _drop_unused(openapi: dict[str, Any], name: str) -> None:
    if f'"{_REF}{name}"' not in json.dumps(openapi):
        openapi.get("components", {}).get("schemas", {}).pop(name, None)


def explain(code: str) -> dict[str, Any] | None:
    """What a problem type means and what to do about it; None for a code that nobody published."""
    found = next((cls for cls in problem_classes() if cls.code == code), None)
    if found is None:
        return None
    return {
        "code": code,
        "title": found.title,
        "status": found.status,
        "description": inspect.getdoc(found) or "",
        "advice": next(_ADVICE[key] for key in (code, found.status, found.status // 100) if key in _ADVICE),
    }


_ADVICE: Final[Mapping[str | int, str]] = MappingProxyType(
    {
        "commit-unknown": "Read what is stored; send the request again only if it is not there.",
        4: "Correct the request before it is sent again; `detail` and `errors` say what is wrong with it.",
        5: "Send the value of `instance` to whoever runs this service: the log has the cause under it.",
        400: "Send a body that is one well-formed JSON value in UTF-8.",
        404: "Check the path and the key; a row that you may not see is answered like one that does not exist.",
        405: "Use one of the methods that the header `Allow` names.",
        409: "Read what is stored, then change the request or the rows that it collides with.",
        412: "Read the row again, apply the change to what it is now, and send it with the new ETag.",
        413: "Send less at once.",
        415: "Send the body as JSON, with `Content-Type: application/json`.",
        422: "Correct the parts that `errors` points at; a `hint` names the likely fix.",
        503: "Wait as long as `Retry-After` says, then send the request again.",
    }
)


def explain_as_page(explained: Mapping[str, Any]) -> str:
    """The explanation as a page of HTML that needs nothing from elsewhere."""
    words = {name: _code_marks(escape(str(value))) for name, value in explained.items()}
    return _PAGE.format_map(words)


def _code_marks(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
:root {{ --text: #1d2530; --soft: #5b6675; --card: #fff; --back: #f2f4f7; --mark: #b3372f; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --text: #e6e9ee; --soft: #9aa5b4; --card: #1b2129; --back: #12161c; --mark: #ff8a7f; }}
}}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--back);
  color: var(--text); font: 17px/1.6 system-ui, sans-serif; }}
main {{ max-width: 36rem; margin: 1.5rem; padding: 2.2rem 2.6rem; border-radius: 14px;
  background: var(--card); box-shadow: 0 1px 3px #0002, 0 12px 32px #0001; }}
h1 {{ margin: .2rem 0 1rem; font-size: 1.7rem; line-height: 1.25; }}
h2 {{ margin: 1.6rem 0 .2rem; font-size: .85rem; letter-spacing: .06em; text-transform: uppercase;
  color: var(--soft); }}
p {{ margin: 0; white-space: pre-line; }}
.status {{ font-weight: 600; color: var(--mark); }}
code {{ font: .92em ui-monospace, monospace; padding: .1em .35em; border-radius: 5px;
  background: var(--back); }}
</style>
</head>
<body>
<main>
<p class="status">{status} · <code>{code}</code></p>
<h1>{title}</h1>
<p>{description}</p>
<h2>What to do</h2>
<p>{advice}</p>
</main>
</body>
</html>
"""


def problem_classes(root: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """Every published class below `root`, for documentation and for the pages that problem types link to."""
    for child in root.__subclasses__():
        yield child
        yield from problem_classes(child)
