"""Attacks on what writes: values, fields, bodies, media types, conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from splice.description import Field
from tests.http.hostile.attacks import (
    JSON,
    UNFIT,
    WRITES,
    Attack,
    Headers,
    Model,
    sending,
    words,
    writing,
)
from tests.http.hostile.values import Spelling, example, unfit_values

__all__ = [
    "BODY_LIMIT",
    "OTHER_TYPES",
    "bodies",
    "broken_bodies",
    "conditions",
    "media_types",
    "names",
    "values",
]

BODY_LIMIT: Final = 1_048_576


def values(models: Sequence[Model]) -> Iterator[Attack]:
    """Each writable field with each unfit value, by POST, PUT and PATCH; null where NULL cannot be stored."""
    for model in models:
        for write in WRITES:
            for field in model.judged(write[0]):
                for label, text in (*unfit_values(field.type), *_null(field)):
                    yield writing(model, write, f"{field.name} is {label[:40]}", {field.name: text}, UNFIT)


def _null(field: Field) -> Iterator[Spelling]:
    if not field.nullable:
        yield "null", "null"


def names(models: Sequence[Model]) -> Iterator[Attack]:
    """Fields that do not exist, are hidden, or are not the client's to write; and required ones left out."""
    for model in models:
        own = {f.name: example(f.type, 9) for f in model.fields.values() if not f.creatable and f.readable}
        hidden = {f.name: example(f.type, 9) for f in model.fields.values() if not f.readable}
        strange = dict.fromkeys(_NO_FIELDS, "1")
        for write in WRITES:
            for name, text in {**hidden, **strange, **(own if write[0] != "PUT" else {})}.items():
                yield writing(model, write, f"field {name[:20]!r}", {name: text}, UNFIT)
        many = {f"field{number}": "1" for number in range(5000)}
        yield writing(model, WRITES[0], "5000 unknown fields", many, UNFIT)
        for field in model.fields.values():
            if field.required:
                yield writing(model, WRITES[0], f"{field.name} left out", {field.name: None}, UNFIT)


_NO_FIELDS: Final = ("nmae", "__class__", "_sa_instance_state", "metadata", "posts", "", "a/b~c", "x" * 9000)


def bodies(models: Sequence[Model]) -> Iterator[Attack]:
    """Bodies that are no JSON object, each by POST, PUT and PATCH; too large, too deep, cut off."""
    for model in models:
        for write in WRITES:
            yield from broken_bodies(model, write, model.good(write[0]))


def broken_bodies(model: Model, way: tuple[str, str], good: bytes) -> Iterator[Attack]:
    """A good body, broken in each way."""
    for label, body in _broken(good):
        yield sending(model, way, label, (body,), UNFIT)
    large = good[:-1] + b" " * BODY_LIMIT + b"}"
    yield sending(model, way, "too large", (large,), frozenset({413}))
    pieces = tuple(large[start : start + 65_536] for start in range(0, len(large), 65_536))
    yield sending(model, way, "too large in pieces", pieces, frozenset({413}))
    name, cut = f"{way[0]} {model.table}: cut off", (good[:9],)
    yield Attack(name, way[0], model.path(way[1]), UNFIT | {0}, "", cut, JSON, cut=True)


def _broken(good: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _NOT_JSON.items()
    yield "array", b"[" + good + b"]"
    yield "unfinished", good[:-1]
    yield "two", good + good
    yield "a comment", good + b"//"
    yield "trailing comma", good[:-1] + b",}"
    yield "single quotes", b"{'a': 1}"
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


def media_types(models: Sequence[Model]) -> Iterator[Attack]:
    """Bodies that do not say that they are JSON."""
    for model in models:
        for method, path in WRITES:
            for given in (None, *OTHER_TYPES):
                headers: Headers = () if given is None else ((b"content-type", given),)
                name = f"{method} {model.table}: type {given!r}"
                yield Attack(
                    name, method, model.path(path), frozenset({415}), "", (model.good(method),), headers
                )


OTHER_TYPES: Final = (
    b"",
    b"multipart/form-data; boundary=x",
    b"\xff",
    *map(
        str.encode,
        words(
            """
            text/plain text/json json / ; */* application/x-www-form-urlencoded application/xml application/json-seq
            application/octet-stream application/merge-patch
            """
        ),
    ),
)


def conditions(models: Sequence[Model]) -> Iterator[Attack]:
    """Conditions that no row fulfils; what is no entity tag is none either."""
    for model in models:
        for name, tag in (*((b"if-match", tag) for tag in _TAGS), (b"if-none-match", b"*")):
            headers = (*JSON, (name, tag))
            for method in ("PUT", "PATCH", "DELETE"):
                chunks = () if method == "DELETE" else (model.good(method),)
                label = f"{method} {model.table} {name.decode()} {tag[:12]!r}"
                yield Attack(label, method, model.path("/{%s}"), frozenset({412}), "", chunks, headers)


_TAGS: Final = (
    *map(str.encode, words("""garbage " "x ,,, W/"x" '*' ** "*" "x",W/"y" """)),
    b"",
    b"\xff\xfe",
    b'"\0"',
    b'"x", ' * 2000,
    b'"' + b"x" * 60_000,
)
