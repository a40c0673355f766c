"""Attacks on what reads: query strings, documents, cursors, and what is shown of related rows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from splice import Query
from splice.plan import plan_read
from splice.readable import readable
from splice.terms import Order
from tests.http.hostile.attacks import JSON, UNFIT, WRITES, Attack, Headers, Model, sending, words
from tests.http.hostile.values import SECRET, unfit_values
from tests.http.hostile.writes import OTHER_TYPES, broken_bodies

__all__ = ["cursors", "documents", "filters", "relations"]

REFUSED: Final = frozenset({422})
MAYBE: Final = frozenset({200, 422})
QUERIES: Final = (("POST", "/query"), ("QUERY", ""))
MANY: Final = 600


# Query strings.


def filters(models: Sequence[Model]) -> Iterator[Attack]:
    """Lists asked for by values, names, limits and orders that are none."""
    for model in models:
        for query in (*_bad_settings(), *_bad_names(model), *_bad_filters(model)):
            for method in ("GET", "HEAD"):
                yield Attack(f"{method} {model.table}?{query[:60]}", method, model.prefix, REFUSED, query)
        for method, path in (*WRITES, ("GET", "/{%s}"), ("DELETE", "/{%s}")):
            chunks = (model.good(method),) if method in {"POST", "PUT", "PATCH"} else ()
            for query in ("dry_run=1", "%00=%00", "%FF", "caf\xe9=1"):
                name = f"{method} {model.table} with {query!r}"
                yield Attack(name, method, model.path(path), REFUSED, query, chunks, JSON)


def _bad_settings() -> Iterator[str]:
    for name in ("limit", "offset"):
        yield from (f"{name}={value}" for value in ("", *_NO_COUNTS, str(10**100)))
    yield from _SETTINGS
    yield f"order_by={','.join(['nope'] * 2000)}"
    yield f"{'x' * 60_000}=1"
    yield "&".join(f"f{number}=1" for number in range(MANY))


def _bad_names(model: Model) -> Iterator[str]:
    known = next(iter(model.fields))
    for name in (
        "",
        *_NAMES,
        *_hidden(model),
        f"{known}__regex",
        f"{known}__",
        f"{known}__eq__eq",
        f"{known}Q".upper(),
    ):
        yield f"{name}={SECRET}"
        yield f"order_by={name}"
    for order in ("%s%20desc", "--%s", "%s,nope", "%s%3Bdrop", "%s,"):
        yield f"order_by={order.replace('%s', known)}"


def _hidden(model: Model) -> list[str]:
    return [field.name for field in model.fields.values() if not field.readable]


def _bad_filters(model: Model) -> Iterator[str]:
    for field in model.judged():
        for value in (*_BROKEN_TEXTS, *_wrong_texts(field.type)):
            yield f"{field.name}={value}"
        yield "&".join([f"{field.name}=1"] * 1_001)


def _wrong_texts(kind: Any) -> tuple[str, ...]:
    if isinstance(kind, sa.LargeBinary):
        return ("*", "a", SECRET)
    if isinstance(kind, sa.String) and not isinstance(kind, sa.Enum):
        return ()
    return ("", *_NO_VALUES, *(() if isinstance(kind, sa.Float) else (str(10**100), "9" * 5000)))


_NO_COUNTS: Final = words(f"-1 1.5 abc NaN Infinity 1e3 0x10 1_0 %201 %D9%A1 %00 %FF {2**31}")
_SETTINGS: Final = words(
    """
    limit=0 limit=1001 offset=100001 limit=1&limit=2 offset=1&offset=1 count=exact&count=exact count=yes count=
    count=%00 order_by= order_by=, order_by=- order_by=id&order_by=id order_by=%FF
    """
)
_NAMES: Final = words("nmae __class__ metadata _sa_registry a.b a__b a%5B%5D %00 %ED%A0%80 %22%3B-- 1%3D1")
_BROKEN_TEXTS: Final = words(f"%00 {SECRET}%00 %ED%A0%80 {SECRET}%FF a%C0%80")
_NO_VALUES: Final = words(f"{SECRET} NaN Infinity 1e400 1E%2B999999 %5B1%5D null %D9%A1 1_0")


# What is shown, and rows behind relations.


def relations(models: Sequence[Model]) -> Iterator[Attack]:
    """Fields and relations that there are not, too deep or too many; rows behind a relation, asked for by nonsense."""
    for model in models:
        for query in (*_bad_shapes(model), *_bad_paths(model)):
            for path in ("", "/{%s}") if query.startswith(("fields", "expand")) else ("",):
                yield Attack(f"GET {model.table}{path}?{query[:60]}", "GET", model.path(path), REFUSED, query)
        for name, link in model.description.links.items():
            for path in (f"/{{%s}}/{name}/x", f"/{{%s}}/{name}") if link.many else ():
                expected = frozenset({404, 422})
                yield Attack(f"GET {path} {SECRET}", "GET", model.path(path), expected, f"nmae={SECRET}")


def _bad_shapes(model: Model) -> Iterator[str]:
    known = next(iter(model.fields))
    wrong = ("", ",", *_NAMES, *_hidden(model), f"{known}.{known}", f"{known},,{known}", ".", "x" * 9000)
    for setting in ("fields", "expand"):
        yield from (f"{setting}={name}" for name in wrong)
        yield f"{setting}={','.join(['nope'] * 2000)}"
        yield f"{setting}={known}&{setting}={known}"
    yield "expand=" + ".".join(["x"] * 2000)


def _bad_paths(model: Model) -> Iterator[str]:
    known = next(iter(model.fields))
    yield "__".join([known] * 40) + "=1"
    for name in model.description.links:
        yield from (f"{name}{suffix}" for suffix in ("=1", "__=1", "__nope=1", "__isnull=maybe", "__eq=1"))
        yield from (f"{name}.{suffix}" for suffix in ("limit=-1", "limit=x", "limt=1", "order_by=nope", "=1"))
        yield from (f"{name}__id={value}" for value in _BROKEN_TEXTS)
        yield from (f"expand={name}.nope", f"fields={name}.nope", f"expand={'.'.join([name] * 50)}")


# Cursors.


def cursors(models: Sequence[Model]) -> Iterator[Attack]:
    """Texts that are no cursor, and cursors of this very query with places that no row can have."""
    for model in models:
        for token in _NO_CURSORS:
            yield _walking(model, f"cursor={token}", REFUSED)
        for field in model.description.readable:
            order = f"order_by={field.name}"
            yield _walking(model, f"{order}&cursor={_token('0' * 16, [])}", REFUSED)
            mark = _mark(model, field.name)
            yield from (
                _walking(model, f"{order}&cursor={_token(mark, values)}", REFUSED) for values in _NO_PLACES
            )
            for value in _FORGED if mark else ():
                forged = _token(mark, [value, *["1"] * len(model.description.key)])
                yield _walking(model, f"{order}&cursor={forged}", MAYBE)


def _walking(model: Model, query: str, expected: frozenset[int]) -> Attack:
    return Attack(f"GET {model.table}?{query[:90]}", "GET", model.prefix, expected, query)


def _mark(model: Model, name: str) -> str:
    """The fingerprint that a cursor of this order bears; nothing where nobody can sort by the field."""
    try:
        return plan_read(Query(order=(Order(name),)), readable(model.description)).fingerprint
    except Exception:  # noqa: BLE001  # a column that cannot be sorted by has no cursors
        return ""


def _token(mark: str, values: Sequence[str]) -> str:
    text = f'["{mark}",0,[{",".join(values)}]]'
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


_NO_CURSORS: Final = (
    "",
    "x",
    "====",
    "%00",
    "%ED%A0%80",
    SECRET,
    "a" * 60_000,
    *(
        base64.urlsafe_b64encode(text).decode().rstrip("=")
        for text in (b"{}", b"[]", b"[[[[", b"null", b"\xff\xfe")
    ),
    base64.urlsafe_b64encode(b"[" * 9_000).decode(),
    "e30&cursor=e30",
)
_NO_PLACES: Final = ([], ["1"] * 9, ["[]"], ['"\\ud800"'], ["1e999"], ['{"q":"x"}'], ["NaN"], ["9" * 5000])
_FORGED: Final = (
    "null",
    "true",
    "-1",
    "1.5",
    f'"{SECRET}"',
    '"\\u0000"',
    f"{2**64 - 1}",
    f"{-(2**64)}",
    '{"n":"NaN"}',
    '{"n":"1E+999999"}',
    '{"f":"inf"}',
    '{"m":"0001-01-01T00:00:00+14:00"}',
    '{"m":"9999-12-31T23:59:59"}',
    '{"d":"0001-01-01"}',
    '{"t":"00:00:00"}',
    '{"i":"999999999 0 0"}',
    '{"b":""}',
    '{"u":"00000000-0000-0000-0000-000000000000"}',
)


# Documents.


def documents(models: Sequence[Model]) -> Iterator[Attack]:
    """Queries as JSON, by POST and by QUERY: broken, of another type, with members, names and values that are none."""
    for model in models:
        for way in QUERIES:
            yield from broken_bodies(model, way, b'{"limit": 1}')
            yield from _other_types(model, way)
            for label, text in (*_bad_members(model), *_bad_values(model)):
                yield sending(model, way, label[:80], (text.encode("utf-8", "surrogatepass"),), UNFIT)


def _other_types(model: Model, way: tuple[str, str]) -> Iterator[Attack]:
    for given in (None, *OTHER_TYPES):
        headers: Headers = () if given is None else ((b"content-type", given),)
        name = f"{way[0]} {model.table}: type {given!r}"
        yield Attack(name, way[0], model.path(way[1]), frozenset({415}), "", (b"{}",), headers)
    for query in ("limit=1", "%00", f"a={SECRET}"):
        name = f"{way[0]} {model.table}?{query}"
        yield Attack(name, way[0], model.path(way[1]), REFUSED, query, (b"{}",), JSON)


def _bad_members(model: Model) -> Iterator[tuple[str, str]]:
    known = json.dumps(next(iter(model.fields)))
    for setting, wrong in _NO_SETTINGS.items():
        yield from ((f"{setting} is {text[:40]}", f'{{"{setting}": {text}}}') for text in wrong)
    for name in ("nmae", "where", "__class__", "", "\\u0000", "\\ud800", *_hidden(model)):
        yield f"member {name!r}", f'{{"{name}": 1}}'
        yield f"filter by {name!r}", f'{{"filter": {{"{name}": "{SECRET}"}}}}'
        yield f"order by {name!r}", f'{{"order_by": ["{name}"]}}'
        yield f"show {name!r}", f'{{"fields": ["{name}"]}}'
        yield f"expand {name!r}", f'{{"expand": {{"{name}": {{}}}}}}'
    yield "a member twice", f'{{"filter": {{{known}: 1, {known}: 1}}}}'
    yield "too many conditions", f'{{"filter": {{"or": [{", ".join([f"{{{known}: 1}}"] * 1000)}]}}}}'
    yield "too many values", f'{{"filter": {{{known[:-1]}__in": {list(range(5000))}}}}}'
    yield "too deep", '{"filter": ' + '{"not": ' * 100 + f"{{{known}: 1}}" + "}" * 100 + "}"


def _bad_values(model: Model) -> Iterator[tuple[str, str]]:
    for field in model.judged():
        name = json.dumps(field.name)
        for label, text in (
            *unfit_values(field.type),
            ("null", "null"),
            ("an object", "{}"),
            ("a list", "[]"),
        ):
            # What is longer than the column is no mistake of a question: nothing is equal to it.
            if not label.startswith("too long"):
                yield f"{field.name} is {label[:40]}", f'{{"filter": {{{name}: {text}}}}}'


_NO_NUMBERS: Final = ("-1", "1.5", "true", "null", '"1"', "[]", "{}", "1e400", "NaN", str(2**31), "9" * 5000)
_NO_SETTINGS: Final = {
    "limit": ("0", "1001", *_NO_NUMBERS),
    "offset": ("100001", *_NO_NUMBERS),
    "count": ("1", "true", '"yes"', "[]", "{}"),
    "cursor": ("1", "[]", "{}", '"x"', f'"{SECRET}"', '"\\u0000"', '"\\ud800"'),
    "order_by": ('"id"', "1", "{}", "[1]", "[[]]", '["id", "id", 1]', '["-"]', '[""]', '["id desc"]'),
    "fields": ('"id"', "1", "{}", "[1]", "[[]]", '[""]'),
    "expand": ('"x"', "1", "[1]", '{"x": 1}', '{"": {}}'),
    "filter": (
        "1",
        '"x"',
        "[]",
        "[{}]",
        '{"and": {}}',
        '{"or": 1}',
        '{"not": []}',
        '{"and": [1]}',
        '{"not": {"not": 1}}',
    ),
}
