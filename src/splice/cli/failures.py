"""What went wrong, as one sentence with the fix: never a traceback, never a password."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from sqlalchemy.engine import URL

from splice.drivers import classify, sqlstate_of
from splice.errors import Issue, Problem, SetupError
from splice.loading import described, seen_from

__all__ = ["database_failure", "sentence_of"]

_WRONG_PASSWORD: Final = frozenset({"28P01", "28000", 1045, 1698})
_NO_DATABASE: Final = frozenset({"3D000", 1049})
_UNREADABLE_FILE: Final = frozenset({8, 10, 11, 14, 23, 26})
"""SQLite's READONLY, IOERR, CORRUPT, CANTOPEN, AUTH and NOTADB."""
_LOCKED_FILE: Final = frozenset({5, 6})
_NO_HOST: Final = ("name or service not known", "could not translate host name", "nodename nor servname")
_MAX_CAUSES: Final = 20


def sentence_of(error: BaseException) -> str:
    """Any error in one sentence; what nobody foresaw names its class and where to look."""
    if isinstance(error, SetupError):
        return str(error)
    if isinstance(error, Problem):
        return _problem(error)
    if classify(error) is not None:
        return f"the database refused what it was asked ({_name(error)}); are its tables there? --debug shows more"
    return f"{described(error)}; this was not foreseen, --debug shows where it comes from"


def database_failure(error: BaseException, url: URL) -> SetupError | None:
    """Why a database could not be opened; None for an error of another origin."""
    causes = list(_led_to(error))
    if url.get_backend_name() == "sqlite":
        return _of_file(causes, url)
    refusal = _refusal(causes, url, f"{url.host or 'localhost'}{f':{url.port}' if url.port else ''}")
    return None if refusal is None else SetupError(refusal)


def _of_file(causes: Sequence[BaseException], url: URL) -> SetupError | None:
    # The primary code is the last byte.
    codes = {getattr(cause, "sqlite_errorcode", 0) & 0xFF for cause in causes}
    path = seen_from(Path.cwd(), unquote((url.database or "").removeprefix("file:")))
    if codes & _UNREADABLE_FILE:
        return SetupError(f"{path} cannot be read as an SQLite database; check the file and its rights")
    if codes & _LOCKED_FILE:
        return SetupError(f"{path} is locked by another program; end that, or try again")
    return None


_UNKNOWN_PARAMETER: Final = re.compile(r"unexpected keyword argument '(\w+)'")


def _refusal(causes: Sequence[BaseException], url: URL, place: str) -> str | None:
    unknown = next(
        (_UNKNOWN_PARAMETER.search(str(cause)) for cause in causes if isinstance(cause, TypeError)), None
    )
    if unknown is not None and unknown[1] in url.query:
        return f"the driver {url.get_driver_name()} knows no parameter {unknown[1]!r}; take it out of the database URL"
    codes = {code for cause in causes for code in _codes(cause)}
    if codes & _WRONG_PASSWORD:
        user = url.username or ""
        return f"the database at {place} does not let user {user!r} in; check name and password in the URL"
    if codes & _NO_DATABASE:
        return f"there is no database {url.database!r} at {place}; create it, or correct the end of the URL"
    if any(isinstance(cause, socket.gaierror) for cause in causes) or _says(causes, *_NO_HOST):
        return f"the host {url.host!r} is not known; correct the database URL"
    lost = any(isinstance(cause, OSError) or _is_lost(cause) for cause in causes)
    return f"no database answers at {place}; start it, or correct host and port of the URL" if lost else None


def _is_lost(error: BaseException) -> bool:
    fault = classify(error)
    return fault is not None and fault.kind == "connection_lost"


def _says(causes: Sequence[BaseException], *words: str) -> bool:
    """Drivers that wrap a failed look-up keep only its text."""
    return any(word in str(cause).lower() for cause in causes for word in words)


def _codes(error: BaseException) -> Iterator[Any]:
    yield sqlstate_of(error)
    number = error.args[0] if error.args else None
    if isinstance(number, int) and not isinstance(error, OSError):
        yield number
    # libpq refuses a connection in words alone.
    text = str(error)
    if "password authentication failed" in text or "no password supplied" in text:
        yield "28P01"
    if 'database "' in text and "does not exist" in text:
        yield "3D000"


def _led_to(error: BaseException) -> Iterator[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < _MAX_CAUSES:
        each = waiting.pop(0)
        if each is None or any(each is known for known in found):
            continue
        found.append(each)
        yield each
        original = getattr(each, "orig", None)
        waiting += [each.__cause__, each.__context__]
        waiting += [original] if isinstance(original, BaseException) else []
        waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _problem(error: Problem) -> str:
    return (
        f"{error.status} {error.title}: {'; '.join(_issue(issue) for issue in error.issues) or error.detail}"
    )


def _issue(issue: Issue) -> str:
    place = (issue.pointer or "").lstrip("/") or issue.parameter or ""
    where = "" if not place or re.search(rf"\b{re.escape(place)}\b", issue.detail) else f"{place}: "
    return f"{where}{issue.detail}{f' ({issue.hint})' if issue.hint else ''}"


def _name(error: BaseException) -> str:
    state = sqlstate_of(error)
    return type(error).__name__ + (f" {state}" if state else "")
