"""Attacks beside bodies and queries: paths, methods, headers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import sqlalchemy as sa

from tests.http.hostile.attacks import JSON, Attack, Model, words
from tests.http.hostile.values import SECRET

__all__ = ["headers", "methods", "paths"]

UNKNOWN: Final = frozenset({404, 422})


def paths(models: Sequence[Model]) -> Iterator[Attack]:
    """Keys that are none, or no row's, and paths that lead nowhere."""
    for model in models:
        is_number = isinstance(model.description.key[0].type, sa.Integer)
        for segment in (*_SEGMENTS, "a" * 9000, *(_NUMBERS if is_number else ())):
            # Where the key is the client's, PUT would make the row.
            for method in (
                "GET",
                "HEAD",
                "PATCH",
                "DELETE",
                *(() if model.description.client_key else ("PUT",)),
            ):
                chunks = (model.good(method),) if method in {"PUT", "PATCH"} else ()
                path = f"{model.prefix}/{segment}"
                yield Attack(f"{method} {path[:60]}", method, path, UNKNOWN, "", chunks, JSON)
        for path in ("//", "/{%s}//"):
            # Starlette leads to the path without the empty segments.
            yield Attack(f"GET {model.table}{path}", "GET", model.path(path), frozenset({307, 404}))
        yield Attack(f"GET below {model.table}", "GET", model.path("/{%s}/x"), frozenset({404}))


def methods(models: Sequence[Model]) -> Iterator[Attack]:
    """Methods that a path does not take; the answer names those that it does."""
    for model in models:
        good = (model.good("POST"),)
        for method in ("PUT", "PATCH", "DELETE", *_METHODS, "G" * 3000):
            name = f"{method[:9]} {model.table}"
            yield Attack(name, method, model.prefix, frozenset({405}), "", good, JSON)
        for method in ("POST", *_METHODS):
            name = f"{method} {model.table} row"
            yield Attack(name, method, model.path("/{%s}"), frozenset({405}), "", good, JSON)


def headers(models: Sequence[Model]) -> Iterator[Attack]:
    """Headers that ask for what there is not, announce too much, or would make another request of it."""
    for model in models:
        for accept in _NOT_ACCEPTABLE:
            for method, path in (("GET", ""), ("HEAD", ""), ("POST", "/query"), ("QUERY", "")):
                chunks = () if method in {"GET", "HEAD"} else (b"{}",)
                sent = (*JSON, (b"accept", accept))
                name = f"{method} {model.table} as {accept[:20]!r}"
                yield Attack(name, method, model.path(path), frozenset({406}), "", chunks, sent)
        for method, path in (*_ROW, ("POST", "")):
            sent = (*JSON, (b"content-length", b"9" * 18))
            name = f"{method} {model.table} of 10**18 bytes"
            yield Attack(name, method, model.path(path), frozenset({413}), "", (model.good(method),), sent)
        for header in _OVERRIDES:
            sent = (*JSON, (header, b"DELETE"), (header, SECRET.encode()))
            name = f"POST {model.table} row with {header.decode()}"
            yield Attack(name, "POST", model.path("/{%s}"), frozenset({405}), "", (b"{}",), sent)


_ROW: Final = (("PUT", "/{%s}"), ("PATCH", "/{%s}"), ("DELETE", "/{%s}"))
_OVERRIDES: Final = (b"x-http-method-override", b"x-http-method", b"x-method-override", b"x-original-method")
_NOT_ACCEPTABLE: Final = (
    b"text/nothing",
    b"*/*;q=0",
    b"application/json;q=NaN",
    b"application/json;q=1e400",
    b"\xff",
    b"," * 9000,
    b"a/b," * 9000,
    SECRET.encode(),
)
_SEGMENTS: Final = words(
    """
    ..%2f..%2fetc%2fpasswd %2e%2e%2f .. %252e%252e%252f 1%2f2 1;x=1 1'-- %3Cscript%3E * % %25 %zz
    %00 1%00 %ED%A0%80 %FF %C0%AF %E2%80%AE %F0%9F%98%80
    """
)
_NUMBERS: Final = words(
    f"""
    abc 1.5 NaN Infinity -Infinity 1e400 1e3 0x10 1_0 %201 %D9%A1 true null None 0 -1
    {2**31 - 1} {2**31} {-(2**31) - 1} {2**63} {-(2**63) - 1} {10**100} {"9" * 5000}
    """
)
_METHODS: Final = words("TRACE CONNECT PROPFIND COPY get delete POST1 QUERYX")
