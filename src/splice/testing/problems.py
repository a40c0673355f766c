"""`assert_problem`: an answer is the problem that a test expects, or the test says what it is instead."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

__all__ = ["assert_problem"]

_MEDIA_TYPE: Final = "application/problem+json"


class _Response(Protocol):
    """What is looked at: an answer of `TestClient`, `httpx2` or `requests`."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Any: ...
    @property
    def text(self) -> str: ...


def assert_problem(  # noqa: PLR0913  # each names another part of an answer
    response: _Response,
    *,
    status: int | None = None,
    code: str | None = None,
    pointer: str | None = None,
    parameter: str | None = None,
    header: str | None = None,
    hint: str | None = None,
    detail: str | None = None,
) -> dict[str, Any]:
    """Fail unless an answer is a problem document (RFC 9457) that says what is expected; what is None may be anything.

    One of the document's `errors` has to hold all that is said of it.

    Args:
        response: An answer of any client that is like httpx.
        status: Of the answer, and so of its document.
        code: Of an error, or of the document, whose `type` ends in it: `not-unique`.
        pointer: JSON Pointer to the part of the body that is at fault.
        parameter: Name of the query or path parameter that is at fault.
        header: Name of the request header that is at fault.
        hint: Words of the hint.
        detail: Words of the detail.

    Returns:
        The document, to look at further.

    Raises:
        AssertionError: The message holds what was expected, and the whole document.
    """
    __tracebackhide__ = True
    document = _read(response)
    said = {
        "code": code,
        "pointer": pointer,
        "parameter": parameter,
        "header": header,
        "hint": hint,
        "detail": detail,
    }
    wanted = {name: value for name, value in said.items() if value is not None}
    complaints = [
        *_unlike_rfc(document, response),
        *_of_status(status, response),
        *_of_error(wanted, document),
    ]
    if complaints:
        raise AssertionError(f"{'; '.join(complaints)}\n{_shown(response)}")
    return document


def _read(response: _Response) -> dict[str, Any]:
    __tracebackhide__ = True
    media_type = str(response.headers.get("content-type", "nothing")).split(";")[0]
    if media_type != _MEDIA_TYPE:
        raise AssertionError(f"the answer is {media_type}, not {_MEDIA_TYPE}\n{_shown(response)}")
    document = json.loads(response.text)
    if not isinstance(document, dict):
        raise AssertionError(f"the document is no JSON object\n{_shown(response)}")  # noqa: TRY004  # it is the test's
    return document


def _unlike_rfc(document: Mapping[str, Any], response: _Response) -> Iterator[str]:
    kinds = {"type": str, "title": str, "status": int, "detail": str, "instance": str, "errors": list}
    for name, kind in kinds.items():
        if name in document and not isinstance(document[name], kind):
            yield f"its {name!r} is no {kind.__name__}"
    if document.get("status", response.status_code) != response.status_code:
        yield f"it says status {document['status']} in an answer of {response.status_code}"
    yield from (f"it has no {name!r}" for name in ("type", "title", "status") if name not in document)


def _of_status(status: int | None, response: _Response) -> Iterator[str]:
    if status not in {None, response.status_code}:
        yield f"the status is {response.status_code}, not {status}"


def _of_error(wanted: Mapping[str, str], document: Mapping[str, Any]) -> Iterator[str]:
    """What is missing; one error has to hold everything, since parts of several would not mean the same."""
    if not any(_fits(wanted, error, document) for error in _errors(document)):
        words = ", ".join(f"{name} {value!r}" for name, value in wanted.items())
        yield f"none of its errors has {words}"


def _errors(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The errors of a document; the document itself, where it has nothing more to say."""
    return [error for error in document.get("errors", []) if isinstance(error, dict)] or [document]


def _fits(wanted: Mapping[str, str], error: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    return all(_says(name, value, error, document) for name, value in wanted.items())


def _says(name: str, value: str, error: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    if name == "code":
        return value in {error.get("code"), str(document.get("type")).rsplit("/", 1)[-1]}
    said = error.get(name)
    return said == value if name not in {"hint", "detail"} else value in (said or "")


def _shown(response: _Response) -> str:
    try:
        words = json.dumps(json.loads(response.text), indent=2, ensure_ascii=False)
    except ValueError:
        words = response.text
    return f"{response.status_code}\n{words}"
