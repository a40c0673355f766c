"""Hostile requests, made from models: each is one valid request with one thing wrong about it.

In a target or body, `{users}` stands for the key of the row of `users` that is stored before the attack.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from splice.description import Description, Field

__all__ = ["GROUPS", "JSON", "SECRET", "Attack", "Group", "creation", "listing", "writes"]

SECRET: Final = "k9-canary"
"""Stands in what is sent as a value; no answer may repeat it."""

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
Spelling: TypeAlias = tuple[str, str]
"""A label, and JSON as it is sent."""
Group: TypeAlias = "Callable[[Sequence[Description]], Iterator[Attack]]"

JSON: Final[Headers] = ((b"content-type", b"application/json"),)
UNFIT: Final = frozenset({400, 422})
UNKNOWN: Final = frozenset({404, 422})
WRITES: Final = (("POST", ""), ("PUT", "/{%s}"), ("PATCH", "/{%s}"))
BODY_LIMIT: Final = 1_048_576


@dataclass(frozen=True)
class Attack:
    """One request and the statuses that are right for it; `chunks` are the body, `cut` ends it early."""

    name: str
    method: str
    path: str
    expected: frozenset[int]
    query: str = ""
    chunks: tuple[bytes, ...] = ()
    headers: Headers = ()
    cut: bool = False


def creation(model: Description, number: int) -> Attack:
    """No attack: a row that is created, another for each number."""
    body = _spell(valid_body(model, "POST", number))
    return Attack(f"create {model.table}", "POST", f"/{model.table}", frozenset({201}), "", (body,), JSON)


def writes(model: Description) -> Iterator[Attack]:
    """No attacks: the writes that the others change."""
    for number, (method, path) in enumerate(WRITES, 1):
        body = _spell(valid_body(model, method, number))
        name = f"{method} {model.table} unchanged"
        yield Attack(name, method, _path(model, path), frozenset({200, 201}), "", (body,), JSON)


def listing(model: Description) -> Attack:
    """No attack: the list of a model."""
    return Attack(f"list {model.table}", "GET", f"/{model.table}", frozenset({200}))


def valid_body(model: Description, method: str, number: int = 1) -> dict[str, str]:
    """A body that the method takes: field → JSON; unique for each number."""
    return {
        field.name: _valid(field, number) for field in model.fields.values() if _is_writable(field, method)
    }


def _is_writable(field: Field, method: str) -> bool:
    return field.creatable if method == "POST" else field.updatable


def _valid(field: Field, number: int) -> str:
    for key in field.column.foreign_keys:
        return f"{{{key.column.table.name}}}"
    return _example(field.type, number)


def _example(kind: Any, number: int) -> str:
    if isinstance(kind, sa.Enum):
        return json.dumps(next(iter(kind.enum_class)).value if kind.enum_class else kind.enums[0])
    if isinstance(kind, sa.String):
        return json.dumps(f"{number}{SECRET}"[: kind.length])
    if isinstance(kind, sa.DateTime) and kind.timezone:
        return '"2026-01-31T12:00:00Z"'
    return next(text for type_, text in _EXAMPLES if isinstance(kind, type_))


_EXAMPLES: Final = (
    (sa.Boolean, "true"),
    (sa.Integer, "7"),
    (sa.Float, "1.5"),
    (sa.Numeric, '"0"'),
    (sa.Uuid, '"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"'),
    (sa.DateTime, '"2026-01-31T12:00:00"'),
    (sa.Date, '"2026-01-31"'),
    (sa.Time, '"12:30:00"'),
    (sa.Interval, '"P1D"'),
    (sa.LargeBinary, '"aGk="'),
    (sa.JSON, '{"a": [1]}'),
    (sa.ARRAY, "[]"),
)


# What is wrong with a value.

NOT_FINITE: Final = (("NaN", "NaN"), ("Infinity", "-Infinity"), ("1e400", "1e400"))
NO_SCALAR: Final = (("array", "[]"), ("object", "{}"))
NO_TEXT: Final = (("number", "1"), ("boolean", "true"), *NO_SCALAR, *NOT_FINITE)
BROKEN_TEXT: Final = (
    ("NUL", f'"{SECRET}\\u0000"'),
    ("high surrogate", f'"{SECRET}\\ud800"'),
    ("low surrogate", f'"\\udc00{SECRET}"'),
)
BAD_DATES: Final = (
    "2026-02-30",
    "2026-13-01",
    "0000-01-01",
    "10000-01-01",
    "-0001-01-01",
    "0",
    "86400",
    SECRET,
    "",
)


def unfit_values(kind: Any) -> Iterator[Spelling]:
    """JSON that is no value of a column of this type."""
    if isinstance(kind, sa.JSON):
        yield from (*NOT_FINITE, ("deep", "[" * 200 + "]" * 200), ("NUL in a name", '{"\\u0000": 1}'))
        yield from BROKEN_TEXT[:1]
        return
    yield from NOT_FINITE
    for type_, values in _UNFIT:
        if isinstance(kind, type_):
            yield from values(kind)
            return
    yield from (*NO_TEXT, *BROKEN_TEXT)


def _texts(*values: str) -> Iterator[Spelling]:
    return ((value, json.dumps(value)) for value in values)


def _integers(kind: Any) -> Iterator[Spelling]:
    bits = 16 if isinstance(kind, sa.SmallInteger) else 64 if isinstance(kind, sa.BigInteger) else 32
    for number in (2 ** (bits - 1), -(2 ** (bits - 1)) - 1, 2**64, 10**100):
        yield f"of {number.bit_length()} bits", str(number)
    yield "of 5000 digits", "9" * 5000
    yield from (("fraction", "1.5"), ("boolean", "true"), ("huge exponent", "1e300"), *NO_SCALAR)
    yield from _texts("7", "", SECRET)


def _floats(_kind: Any) -> Iterator[Spelling]:
    yield from (("boolean", "false"), *NO_SCALAR)
    yield from _texts("1.5", "NaN", SECRET)


def _decimals(kind: Any) -> Iterator[Spelling]:
    digits, places = kind.precision or 15, kind.scale or 0
    yield from (("boolean", "true"), ("17 digits", "0.12345678901234567"), *NO_SCALAR)
    yield "too large a number", str(10 ** (digits - places))
    yield from _texts("NaN", "sNaN", "-Infinity", "1E+999999", "1e3", "1_0", " 1", "١", "", "0x10", SECRET)
    yield from _texts("9" * (digits - places + 1), f"0.{'0' * places}1", "9" * 5000)


def _booleans(_kind: Any) -> Iterator[Spelling]:
    yield from (("zero", "0"), ("one", "1"), *NO_SCALAR)
    yield from _texts("true", "yes", "", SECRET)


def _enums(_kind: Any) -> Iterator[Spelling]:
    yield from (*NO_TEXT, *BROKEN_TEXT)
    yield from _texts(SECRET, "")


def _strings(kind: Any) -> Iterator[Spelling]:
    yield from (*NO_TEXT, *BROKEN_TEXT)
    if kind.length:
        yield "too long", json.dumps("x" * (kind.length + 1))
        yield "too long in astral characters", json.dumps("😀" * (kind.length + 1), ensure_ascii=False)


def _dates(_kind: Any) -> Iterator[Spelling]:
    yield from (("seconds", "0"), ("boolean", "true"), *NO_SCALAR)
    yield from _texts(*BAD_DATES, "2026-01-31T12:00:00Z")


def _datetimes(kind: Any) -> Iterator[Spelling]:
    yield from (("seconds", "0"), ("boolean", "true"), *NO_SCALAR)
    zone = "Z" if kind.timezone else ""
    yield from _texts(
        *(f"{day}T00:00:00{zone}" for day in BAD_DATES), "1700000000", "2026-01-31T24:00:00" + zone
    )
    yield from _texts("2026-01-31T12:00:00+25:00", "2026-01-31T12:60:00" + zone)
    outside = ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026-01-31T12:00:00")
    yield from _texts(*outside if kind.timezone else ("2026-01-31T12:00:00Z",))


def _times(_kind: Any) -> Iterator[Spelling]:
    yield from (("seconds", "true"), *NO_SCALAR)
    yield from _texts("24:00:00", "12:60:00", "12:00:00+01:00", "", SECRET)


def _intervals(_kind: Any) -> Iterator[Spelling]:
    yield from (("boolean", "true"), *NO_SCALAR)
    yield from _texts("P999999999D", "-P999999999D", "P1Y1", "", SECRET)


def _uuids(_kind: Any) -> Iterator[Spelling]:
    yield from (*NO_TEXT, *BROKEN_TEXT)
    yield from _texts("", SECRET, "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4be")


def _bytes(kind: Any) -> Iterator[Spelling]:
    yield from NO_TEXT
    yield from _texts("*", "a", "aGk", "ä", SECRET)
    if kind.length:
        yield "too long", json.dumps("AAAA" * (kind.length // 3 + 1))


_UNFIT: Final = (
    (sa.Enum, _enums),
    (sa.Boolean, _booleans),
    (sa.Integer, _integers),
    (sa.Float, _floats),
    (sa.Numeric, _decimals),
    (sa.String, _strings),
    (sa.DateTime, _datetimes),
    (sa.Date, _dates),
    (sa.Time, _times),
    (sa.Interval, _intervals),
    (sa.Uuid, _uuids),
    (sa.LargeBinary, _bytes),
)


# The groups.


def values(models: Sequence[Description]) -> Iterator[Attack]:
    """Each writable field with each unfit value, by POST, PUT and PATCH; null where NULL cannot be stored."""
    for model in models:
        for field in model.fields.values():
            wrong = [*unfit_values(field.type), *([] if field.nullable else [("null", "null")])]
            for method, path in WRITES:
                for label, text in wrong if _is_writable(field, method) else ():
                    yield _writing(
                        model, method, path, f"{field.name} is {label[:40]}", {field.name: text}, UNFIT
                    )


def names(models: Sequence[Description]) -> Iterator[Attack]:
    """Fields that do not exist, are hidden, or are not the client's to write; and required ones left out."""
    for model in models:
        own = {f.name: _sample(f) for f in model.fields.values() if not f.creatable and f.readable}
        hidden = {f.name: _sample(f) for f in model.fields.values() if not f.readable}
        strange = dict.fromkeys(
            ("nmae", "__class__", "_sa_instance_state", "metadata", "posts", "", "a/b~c", "x" * 9000), "1"
        )
        for method, path in WRITES:
            for name, text in {**hidden, **strange, **(own if method != "PUT" else {})}.items():
                yield _writing(model, method, path, f"field {name[:20]!r}", {name: text}, UNFIT)
        many = {f"field{number}": "1" for number in range(5000)}
        yield _writing(model, "POST", "", "5000 unknown fields", many, UNFIT)
        for field in model.fields.values():
            if field.required:
                yield _writing(model, "POST", "", f"{field.name} left out", {field.name: None}, UNFIT)


def bodies(models: Sequence[Description]) -> Iterator[Attack]:
    """Bodies that are no JSON object, each by POST, PUT and PATCH; too large, too deep, cut off."""
    for model in models:
        for method, path in WRITES:
            good = _good(model, method)
            for label, body in _broken_bodies(good):
                yield _sending(model, method, path, label, (body,), UNFIT)
            large = good[:-1] + b" " * BODY_LIMIT + b"}"
            yield _sending(model, method, path, "too large", (large,), frozenset({413}))
            pieces = tuple(large[start : start + 65_536] for start in range(0, len(large), 65_536))
            yield _sending(model, method, path, "too large in pieces", pieces, frozenset({413}))
            yield Attack(
                f"{method} {model.table}: cut off",
                method,
                _path(model, path),
                UNFIT | {0},
                "",
                (good[:9],),
                JSON,
                cut=True,
            )


def _broken_bodies(good: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _NOT_JSON.items()
    yield "array", b"[" + good + b"]"
    yield "unfinished", good[:-1]
    yield "two", good + good
    yield "a comment", good + b"//"
    yield "trailing comma", good[:-1] + b",}"
    yield "single quotes", good.replace(b'"', b"'")
    yield "raw NUL", b"\0" + good
    yield "byte order mark", b"\xef\xbb\xbf" + good
    yield "UTF-16", good.decode().encode("utf-16")
    yield "UTF-32", good.decode().encode("utf-32")
    for depth in (200, 10_000, 100_000):
        yield f"{depth} arrays deep", b"[" * depth + b"]" * depth
        yield f"{depth} objects deep", b'{"name":' * depth + b"1" + b"}" * depth
    yield "unfinished depth", b'{"name":' + b"[" * 100_000


_NOT_JSON: Final = {
    "empty": b"",
    "blank": b" \n",
    "text": b"hello",
    "null": b"null",
    "string": b'"x"',
    "number": b"1",
    "true": b"true",
    "NaN": b"NaN",
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0",
    "form": b"name=x&email=y",
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "surrogate in UTF-8": b'{"name": "\xed\xa0\x80"}',
    "overlong UTF-8": b'{"name": "\xc0\x80"}',
    "raw newline": b'{"name": "a\nb"}',
}


def media_types(models: Sequence[Description]) -> Iterator[Attack]:
    """Bodies that do not say that they are JSON."""
    for model in models:
        for method, path in WRITES:
            address, chunks = _path(model, path), (_good(model, method),)
            name = f"{method} {model.table}: no type"
            yield Attack(name, method, address, frozenset({415}), chunks=chunks)
            for given in (b"", b"multipart/form-data; boundary=x", b"\xff", *map(str.encode, _OTHER_TYPES)):
                headers = ((b"content-type", given),)
                name = f"{method} {model.table}: type {given!r}"
                yield Attack(name, method, address, frozenset({415}), "", chunks, headers)


def paths(models: Sequence[Description]) -> Iterator[Attack]:
    """Keys that are none, or no row's, and paths that lead nowhere."""
    for model in models:
        is_number = isinstance(model.key[0].type, sa.Integer)
        for segment in (*_SEGMENTS, "a" * 9000, *(_NUMBERS if is_number else ())):
            # Where the key is the client's, PUT would make the row.
            for method in ("GET", "HEAD", "PATCH", "DELETE", *(() if model.client_key else ("PUT",))):
                chunks = (_good(model, method),) if method in {"PUT", "PATCH"} else ()
                path = f"/{model.table}/{segment}"
                yield Attack(f"{method} {path[:60]}", method, path, UNKNOWN, "", chunks, JSON)
        for path in ("//", "/{%s}//"):
            # Starlette leads to the path without the empty segments.
            yield Attack(f"GET {model.table}{path}", "GET", _path(model, path), frozenset({307, 404}))
        yield Attack(f"GET below {model.table}", "GET", _path(model, "/{%s}/x"), frozenset({404}))


def filters(models: Sequence[Description]) -> Iterator[Attack]:
    """Lists asked for by values, names, limits and orders that are none."""
    for model in models:
        for query in (*_bad_settings(), *_bad_names(model), *_bad_filters(model)):
            for method in ("GET", "HEAD"):
                name = f"{method} {model.table}?{query[:60]}"
                yield Attack(name, method, f"/{model.table}", frozenset({422}), query)
        for method, path in (*WRITES, ("GET", "/{%s}"), ("DELETE", "/{%s}")):
            chunks = (_good(model, method),) if method in {"POST", "PUT", "PATCH"} else ()
            for query in ("dry_run=1", "%00=%00", "%FF", "caf\xe9=1"):
                name = f"{method} {model.table} with {query!r}"
                yield Attack(name, method, _path(model, path), frozenset({422}), query, chunks, JSON)


def _bad_settings() -> Iterator[str]:
    yield from (
        f"{name}={value}" for name in ("limit", "offset") for value in ("", *_NO_COUNTS, str(10**100))
    )
    yield from _SETTINGS
    yield f"order_by={','.join(['nope'] * 2000)}"
    yield f"{'x' * 60_000}=1"
    yield "&".join(f"f{number}=1" for number in range(600))


def _bad_names(model: Description) -> Iterator[str]:
    known = next(iter(model.fields))
    hidden = (field.name for field in model.fields.values() if not field.readable)
    for name in ("", *_NAMES, *hidden, f"{known}__regex", f"{known}__", f"{known}__eq__eq", known.upper()):
        yield f"{name}={SECRET}"
        yield f"order_by={name}"
    for order in ("%s%20desc", "--%s", "%s,nope", "%s%3Bdrop", "%s,"):
        yield f"order_by={order.replace('%s', known)}"


def _bad_filters(model: Description) -> Iterator[str]:
    for field in model.readable:
        for value in (*_BROKEN_TEXTS, *_wrong_texts(field.type)):
            yield f"{field.name}={value}"
        yield "&".join([f"{field.name}=1"] * 1_001)


def _wrong_texts(kind: Any) -> tuple[str, ...]:
    if isinstance(kind, sa.LargeBinary):
        return ("*", "a", SECRET)
    if isinstance(kind, sa.String) and not isinstance(kind, sa.Enum):
        return ()
    return ("", *_NO_VALUES, *(() if isinstance(kind, sa.Float) else (str(10**100), "9" * 5000)))


def methods(models: Sequence[Description]) -> Iterator[Attack]:
    """Methods that a path does not take; the answer names those that it does."""
    for model in models:
        good = (_good(model, "POST"),)
        for method in ("PUT", "PATCH", "DELETE", *_METHODS, "G" * 3000):
            name, path = f"{method[:9]} {model.table}", f"/{model.table}"
            yield Attack(name, method, path, frozenset({405}), "", good, JSON)
        for method in ("POST", *_METHODS):
            name, path = f"{method} {model.table} row", _path(model, "/{%s}")
            yield Attack(name, method, path, frozenset({405}), "", good, JSON)


def conditions(models: Sequence[Description]) -> Iterator[Attack]:
    """`If-Match` that no row fulfils; what is no entity tag is none either."""
    odd = (b"", b"\xff\xfe", b'"\0"', b'"x", ' * 2000, b'"' + b"x" * 60_000)
    for model in models:
        for tag in (*map(str.encode, _TAGS), *odd):
            headers = (*JSON, (b"if-match", tag))
            for method in ("PUT", "PATCH", "DELETE"):
                chunks = () if method == "DELETE" else (_good(model, method),)
                name = f"{method} {model.table} if-match {tag[:12]!r}"
                yield Attack(name, method, _path(model, "/{%s}"), frozenset({412}), "", chunks, headers)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_OTHER_TYPES: Final = _words(
    """
    text/plain text/json json / ; */* application/x-www-form-urlencoded application/xml application/json-seq
    application/octet-stream application/merge-patch
    """
)
_SEGMENTS: Final = _words(
    """
    ..%2f..%2fetc%2fpasswd %2e%2e%2f .. %252e%252e%252f 1%2f2 1;x=1 1'-- %3Cscript%3E * % %25 %zz
    %00 1%00 %ED%A0%80 %FF %C0%AF %E2%80%AE %F0%9F%98%80
    """
)
_NUMBERS: Final = _words(
    f"""
    abc 1.5 NaN Infinity -Infinity 1e400 1e3 0x10 1_0 %201 %D9%A1 true null None 0 -1
    {2**31 - 1} {2**31} {-(2**31) - 1} {2**63} {-(2**63) - 1} {10**100} {"9" * 5000}
    """
)
_NO_COUNTS: Final = _words(f"-1 1.5 abc NaN Infinity 1e3 0x10 1_0 %201 %D9%A1 %00 %FF {2**31}")
_SETTINGS: Final = _words(
    """
    limit=0 limit=1001 offset=100001 limit=1&limit=2 offset=1&offset=1 count=exact&count=exact count=yes count=
    count=%00 order_by= order_by=, order_by=- order_by=id&order_by=id order_by=%FF
    """
)
_NAMES: Final = _words("nmae __class__ metadata _sa_registry a.b a__b a%5B%5D %00 %ED%A0%80 %22%3B-- 1%3D1")
_BROKEN_TEXTS: Final = _words(f"%00 {SECRET}%00 %ED%A0%80 {SECRET}%FF a%C0%80")
_NO_VALUES: Final = _words(f"{SECRET} NaN Infinity 1e400 1E%2B999999 %5B1%5D null %D9%A1 1_0")
_METHODS: Final = _words("TRACE CONNECT PROPFIND COPY get delete POST1 QUERYX")
_TAGS: Final = _words("""garbage " "x ,,, W/"x" '*' ** "*" "x",W/"y" """)

GROUPS: Final[tuple[Group, ...]] = (values, names, bodies, media_types, paths, filters, methods, conditions)


def _sample(field: Field) -> str:
    """A value that would fit, if only the field could be written."""
    return _example(field.type, 9)


def _writing(
    model: Description,
    method: str,
    path: str,
    label: str,
    changes: Mapping[str, str | None],
    expected: frozenset[int],
) -> Attack:
    """A valid body with changes; PATCH sends nothing else, and None leaves a field out."""
    base = {} if method == "PATCH" else valid_body(model, method)
    sent = {name: text for name, text in {**base, **changes}.items() if text is not None}
    return _sending(model, method, path, label, (_spell(sent),), expected)


def _sending(
    model: Description, method: str, path: str, label: str, chunks: Iterable[bytes], expected: frozenset[int]
) -> Attack:
    name = f"{method} {model.table}: {label}"
    return Attack(name, method, _path(model, path), expected, "", tuple(chunks), JSON)


def _path(model: Description, path: str) -> str:
    return f"/{model.table}{path.replace('%s', model.table)}"


def _good(model: Description, method: str) -> bytes:
    return _spell(valid_body(model, method))


def _spell(body: Mapping[str, str]) -> bytes:
    return "{{{}}}".format(", ".join(f"{json.dumps(name)}: {text}" for name, text in body.items())).encode()
