"""Cursors as text: the values of a place between rows, exact and of their own types, and nothing secret.

A token is base64url of compact JSON: the fingerprint of the query, the direction, the values. Plain JSON values stand
as they are, all others as `{tag: text}`.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import math
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final

__all__ = ["MAX_TOKEN", "Cursor", "InvalidCursor", "TooLong", "decode", "encode"]

MAX_TOKEN: Final = 16_384
"""Characters of a token: servers and proxies refuse addresses that are much longer."""
_MAX_DIGITS: Final = 1_500
_MAX_INTEGER: Final = 2**64
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{0,64}", re.ASCII)


class InvalidCursor(Exception):
    """A text is no cursor."""


class TooLong(Exception):
    """The values of a row are too long for a cursor."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between rows, and of which query: `values` of its sort terms, or how many rows were `skipped`."""

    values: tuple[Any, ...]
    backward: bool
    skipped: int | None
    fingerprint: str


def encode(cursor: Cursor) -> str:
    """A cursor as text that a URL takes as it is.

    Raises:
        TypeError: One of the values is of no known type.
        TooLong: The values do not fit a token.
    """
    said: list[Any] = [
        cursor.fingerprint,
        int(cursor.backward),
        [_spelt(value) for value in cursor.values],
        *([] if cursor.skipped is None else [cursor.skipped]),
    ]
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    token = base64.urlsafe_b64encode(text.encode(errors="replace")).decode("ascii").rstrip("=")
    if len(token) > MAX_TOKEN:
        raise TooLong
    return token


def decode(token: str) -> Cursor:
    """Read a cursor; types are right, but whether the values are those of any row nobody knows here.

    Raises:
        InvalidCursor: It is none.
    """
    try:
        return _cursor(json.loads(_bytes_of(token), parse_constant=_refuse))
    except (ValueError, TypeError, KeyError, RecursionError, ArithmeticError) as error:
        raise InvalidCursor from error


def _bytes_of(token: str) -> bytes:
    if len(token) > MAX_TOKEN or not _TOKEN.fullmatch(token):
        raise ValueError
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError from error


def _cursor(said: Any) -> Cursor:
    fingerprint, backward, values, *rest = said
    skipped = rest.pop() if rest else None
    sound = (
        not rest
        and isinstance(said, list)
        and isinstance(fingerprint, str)
        and _FINGERPRINT.fullmatch(fingerprint)
        and backward in {0, 1}
        and isinstance(values, list)
        and (skipped is None or _is_number_of_rows(skipped))
    )
    if not sound:
        raise ValueError
    return Cursor(tuple(_read(value) for value in values), bool(backward), skipped, fingerprint)


def _is_number_of_rows(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MAX_INTEGER


def _spelt(value: Any) -> Any:
    tag = next((tag for kind, tag in _TAGS.items() if isinstance(value, kind)), None)
    if tag is not None:
        return {tag: _WRITERS[tag](value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"f": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a cursor holds no {type(value).__name__}")


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        ((tag, text),) = value.items()
        return _READERS[tag](_text(text))
    if isinstance(value, str):
        return _text(value)
    if type(value) is int and not -_MAX_INTEGER <= value < _MAX_INTEGER:
        raise ValueError
    if isinstance(value, list) or (isinstance(value, float) and not math.isfinite(value)):
        raise TypeError
    return value


def _text(value: Any) -> str:
    """Text, and no half of a surrogate pair; what a database makes of NUL is its own matter."""
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _decimal(text: str) -> Decimal:
    if len(text) > _MAX_DIGITS:
        raise ValueError
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError from error


def _special(text: str) -> float:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[text]


def _interval(text: str) -> dt.timedelta:
    days, seconds, microseconds = (int(part) for part in text.split(" "))
    return dt.timedelta(days, seconds, microseconds)


def _interval_text(value: dt.timedelta) -> str:
    return f"{value.days} {value.seconds} {value.microseconds}"


def _iso(value: dt.date | dt.time) -> str:
    return value.isoformat()


def _binary(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii"), validate=True)


_TAGS: Final[Mapping[type, str]] = MappingProxyType(
    {
        bytes: "b",
        Decimal: "n",
        dt.datetime: "m",
        dt.date: "d",
        dt.time: "t",
        dt.timedelta: "i",
        uuid.UUID: "u",
    }
)
_WRITERS: Final[Mapping[str, Callable[[Any], str]]] = MappingProxyType(
    {
        "b": lambda value: base64.b64encode(value).decode("ascii"),
        "n": str,
        "d": _iso,
        "m": _iso,
        "t": _iso,
        "i": _interval_text,
        "u": str,
    }
)
_READERS: Final[Mapping[str, Callable[[str], Any]]] = MappingProxyType(
    {
        "f": _special,
        "b": _binary,
        "n": _decimal,
        "d": dt.date.fromisoformat,
        "m": dt.datetime.fromisoformat,
        "t": dt.time.fromisoformat,
        "i": _interval,
        "u": uuid.UUID,
    }
)
