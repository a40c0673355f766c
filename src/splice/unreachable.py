"""Why a database could not be opened, as one sentence with the fix: never a password, never a driver's text."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from sqlalchemy.engine import URL

from splice.drivers import classify, sqlstate_of
from splice.errors import SetupError
from splice.hosts import hosts_of
from splice.loading import seen_from

__all__ = ["database_failure", "may_come_up"]

_WRONG_PASSWORD: Final = frozenset({"28P01", "28000", 1045, 1698})
_NO_DATABASE: Final = frozenset({"3D000", 1049})
_UNREADABLE_FILE: Final = frozenset({8, 10, 11, 14, 23, 26})
"""SQLite's READONLY, IOERR, CORRUPT, CANTOPEN, AUTH and NOTADB."""
_LOCKED_FILE: Final = frozenset({5, 6})
_NO_HOST: Final = ("name or service not known", "could not translate host name", "nodename nor servname")
_MAX_CAUSES: Final = 20


def database_failure(error: BaseException, url: URL) -> SetupError | None:
    """Why a database could not be opened; None for an error of another origin."""
    causes = list(_led_to(error))
    if url.get_backend_name() == "sqlite":
        return _of_file(causes, url)
    refusal = _refusal(causes, url, ", ".join(hosts_of(url)))
    return None if refusal is None else SetupError(refusal)


def may_come_up(error: BaseException) -> bool:
    """Whether waiting may help: nobody answers yet, as opposed to a server that answers and refuses."""
    codes = {code for cause in _led_to(error) for code in _codes(cause)}
    return not codes & (_WRONG_PASSWORD | _NO_DATABASE) and any(map(_is_away, _led_to(error)))


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
    lost = any(map(_is_away, causes))
    return f"no database answers at {place}; start it, or correct host and port of the URL" if lost else None


def _is_away(error: BaseException) -> bool:
    fault = classify(error)
    return isinstance(error, OSError) or (fault is not None and fault.kind == "connection_lost")


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
