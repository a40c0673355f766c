"""A plausible value for each field, and whole objects of them, for people who read the documentation.

Nothing here runs before somebody asks for a document: a service of many tables may never show one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError
from pydantic_core import to_json
from typing_extensions import TypedDict

from splice.description import Description, Field

__all__ = ["candidates", "created", "examples_of", "inlined", "replaced", "shown", "updated"]

_MEMO: Final = "examples"
_Schema: TypeAlias = Mapping[str, Any]
_Example: TypeAlias = dict[str, JsonValue]

_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_CHANGED: Final = 2
"""Fields in the example of a change."""

_TEXTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "first name, given name, forename, first": ("Ada",),
        "last name, family name, surname, last": ("Lovelace",),
        "user name, username, login, nick, nickname, handle": ("ada",),
        "file name, filename, file, path": ("notes.txt",),
        "company name, company, organisation, organization, publisher": ("Analytical Engines", "AE"),
        "email, mail, email address": ("ada@example.com", "a@b.io"),
        "country code": ("GB", "GBR"),
        "postal code, post code, postcode, zip code, zip": ("SW1Y 4JH", "10115"),
        "time zone, timezone, tz": ("Europe/London", "UTC"),
        "ip address, ip": ("192.0.2.1",),
        "url, uri, website, homepage, link, href": ("https://example.com/ada", "http://a.io"),
        "image, avatar, photo, picture, logo": ("https://example.com/ada.png",),
        "phone number, phone, mobile, telephone, tel, fax": ("+44 20 7946 0958", "2079460958"),
        "title, headline, subject": ("Notes on the Analytical Engine", "Notes"),
        "slug": ("notes-on-the-engine", "notes"),
        "isbn": ("978-0-306-40615-7", "9780306406157", "0306406152"),
        "sku, code, reference": ("AE-1843", "AE1", "A"),
        "city, town": ("London",),
        "country name, country, nation": ("United Kingdom", "UK"),
        "region, province, county": ("Greater London", "London"),
        "address, street": ("12 St James's Square", "Main St"),
        "language, lang, locale": ("en",),
        "currency": ("EUR",),
        "colour, color": ("#336699", "blue"),
        "description, bio, body, text, content, summary, message, note, notes, comment": (
            "It weaves algebraic patterns.",
            "Weaves.",
        ),
        "version": ("1.0.0",),
        "uuid, guid": ("0b6f7a52-6a3c-4f0e-9d0a-3f2c1b7e8d94",),
        "name, author, writer": ("Ada Lovelace", "Ada"),
    }
)
_NUMBERS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "price, cost, amount, total, balance, fee, salary, budget": 12.5,
        "year": 1843,
        "age": 36,
        "quantity, qty, count, stock": 3,
        "stars, rating, score": 4,
        "percent, percentage": 15,
        "rate, ratio, discount, tax": 0.2,
        "latitude, lat": 51.5074,
        "longitude, lon, lng": -0.1278,
        "minutes, seconds, duration, length": 90,
        "port": 8080,
        "pages": 320,
    }
)
_DAYS: Final[Mapping[str, str]] = MappingProxyType({"birthday, birth, born, dob": "1815-12-10"})
_BOUNDS: Final[Mapping[str, int]] = MappingProxyType(
    {"minimum": 0, "exclusiveMinimum": 1, "maximum": 0, "exclusiveMaximum": -1}
)
_UNTRUE: Final = frozenset({"deleted", "archived", "banned", "blocked", "hidden", "admin", "closed", "spam"})
_DAY: Final = "2026-01-31"
_FORMATS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "date": (_DAY,),
        "date-time": (f"{_DAY}T12:00:00Z", f"{_DAY}T12:00:00"),
        "time": ("12:30:00", "12:30:00Z"),
        "duration": ("PT1H30M", "PT1M"),
        "uuid": ("0b6f7a52-6a3c-4f0e-9d0a-3f2c1b7e8d94",),
        "uri": ("https://example.com/ada",),
        "ipv4": ("192.0.2.1",),
        "ipv6": ("2001:db8::1",),
        "email": ("ada@example.com",),
    }
)
_LAST_TEXTS: Final = (
    f"{_DAY}T12:00:00",
    f"{_DAY} 12:00:00",
    _DAY,
    "12:30:00",
    "0b6f7a52-6a3c-4f0e-9d0a-3f2c1b7e8d94",
    "https://example.com/ada",
    "ada@example.com",
    "ABC-123",
    "abc123",
    "ABC",
    "abc",
    "AB",
    "1234",
    "123",
    "12",
    "1",
    "a",
    "A",
)
"""For columns that ask for more than their names tell: patterns, and validators of one's own."""


# Whole objects.


def shown(description: Description) -> _Example | None:
    """A row as an answer has it; None where some value is not known."""
    return _whole(description, description.readable, lambda _: True)


def created(description: Description) -> _Example | None:
    """A body of POST; None where a value that it needs is not known."""
    fields = [field for field in description.fields.values() if field.creatable]
    return _whole(description, fields, lambda field: field.required)


def replaced(description: Description) -> _Example | None:
    """A body of PUT, without what PUT ignores; None where some value is not known."""
    fields = [field for field in description.fields.values() if field.updatable]
    return _whole(description, fields, lambda _: True)


def updated(description: Description) -> _Example | None:
    """A body of PATCH: a field or two; None where no value is known."""
    known, referring = examples_of(description), _referring(description)
    names = [field.name for field in description.fields.values() if field.updatable and field.name in known]
    names.sort(key=lambda name: name in referring)
    return {name: known[name] for name in names[:_CHANGED]} or None


def _whole(
    description: Description, fields: Iterable[Field], is_needed: Callable[[Field], bool]
) -> _Example | None:
    known, wanted = examples_of(description), list(fields)
    if any(is_needed(field) and field.name not in known for field in wanted):
        return None
    return {field.name: known[field.name] for field in wanted if field.name in known}


def _referring(description: Description) -> frozenset[str]:
    """Fields that hold a key, of this row or of another: nobody changes them just so."""
    of_others = (rule.fields for rule in description.constraints if rule.kind == "foreign_key")
    return frozenset(name for names in of_others for name in names) | {key.name for key in description.key}


# One value a field.


def examples_of(description: Description) -> Mapping[str, JsonValue]:
    """A value for each visible field, as JSON has it; without those for which none is known.

    Every one of them is a value that the column takes, by all limits of the column and of its annotation.
    """
    if _MEMO not in description.memo:
        description.memo[_MEMO] = _examples_of(description)
    known: Mapping[str, JsonValue] = description.memo[_MEMO]
    return known


def _examples_of(description: Description) -> Mapping[str, JsonValue]:
    types = {field.name: description.types[field.name].write for field in description.visible}
    typed_dict: Any = TypedDict  # a checker wants a literal dictionary here
    some = typed_dict("values", types, total=False)
    some.__pydantic_config__ = ConfigDict(allow_inf_nan=False)
    adapter = TypeAdapter[Any](some)
    schema = adapter.json_schema()
    definitions, found = schema.get("$defs", {}), {}
    for name, stated in schema.get("properties", {}).items():
        fitting = (
            value for value in candidates(name, inlined(stated, definitions)) if _fits(adapter, name, value)
        )
        value = next(fitting, None)
        if value is not None:
            found[name] = value
    return MappingProxyType(found)


def _fits(adapter: TypeAdapter[Any], name: str, value: JsonValue) -> bool:
    try:
        adapter.validate_json(to_json({name: value}), strict=True)
    except ValidationError:
        return False
    return True


def inlined(schema: _Schema, definitions: Mapping[str, _Schema]) -> dict[str, Any]:
    """A JSON schema without references in its first levels, and without the title that was made of its name."""
    said = {key: value for key, value in schema.items() if key not in {"$ref", "title"}}
    reference = schema.get("$ref")
    if reference is not None:
        said = {**inlined(definitions[reference.rsplit("/", 1)[-1]], {}), **said}
    if "anyOf" in said:
        said["anyOf"] = [inlined(part, definitions) for part in said["anyOf"]]
    if isinstance(said.get("items"), dict):
        said["items"] = inlined(said["items"], definitions)
    return said


def candidates(name: str, schema: _Schema) -> Iterator[JsonValue]:
    """Values that a field of this name and JSON schema may have, the most plausible first; not all of them fit."""
    if "const" in schema:
        yield schema["const"]
    yield from schema.get("enum", ())
    bounds = {key: part[key] for part in schema.get("anyOf", ()) for key in _BOUNDS if key in part}
    for part in schema.get("anyOf", ()):
        yield from candidates(name, {**bounds, **part})
    kind, words = str(schema.get("type")), _words(name)
    if kind in _OF_TYPE:
        yield from _OF_TYPE[kind](words, schema)
    elif not {"const", "enum", "anyOf"} & set(schema):
        anything: tuple[JsonValue, ...] = ({"key": "value"}, "text", 1, 1.5, True)
        yield from anything
    yield from schema.get("examples", ())


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(name))


def _named(words: tuple[str, ...], known: Mapping[str, Any]) -> Any:
    """What is known by the last words of a name: by two of them, or else by one."""
    for count in (2, 1):
        wanted = " ".join(words[-count:])
        for names, value in known.items():
            if wanted in names.split(", "):
                return value
    return None


def _booleans(words: tuple[str, ...], schema: _Schema) -> Iterator[JsonValue]:
    yield schema.get("default", _UNTRUE.isdisjoint(words))
    yield from (True, False)


def _texts(words: tuple[str, ...], schema: _Schema) -> Iterator[JsonValue]:
    if "contentEncoding" in schema:
        yield from ("QWRh", "QQ==", "")
        return
    yield from _texts_of_format(words, schema)
    yield from _decimals(words, schema)
    stated = schema.get("default")
    named = _named(words, _TEXTS) or tuple(filter(None, [stated])) or (" ".join(words) or "text",)
    yield from _of_length(named, schema)
    yield from (text for text in _LAST_TEXTS if len(text) <= schema.get("maxLength", len(text)))


def _texts_of_format(words: tuple[str, ...], schema: _Schema) -> Iterator[str]:
    if schema.get("format") == "date":
        yield from filter(None, [_named(words, _DAYS)])
    yield from _FORMATS.get(schema.get("format", ""), ())


def _of_length(texts: tuple[str, ...], schema: _Schema) -> Iterator[str]:
    """Texts that are neither too long nor too short; where there is none, one is cut or repeated."""
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    whole = [text for text in texts if least <= len(text) and (most is None or len(text) <= most)]
    yield from whole
    if not whole:
        repeated = texts[0] if len(texts[0]) >= least else f"{texts[0]} " * (least // len(texts[0]) + 1)
        yield repeated[: most if most is not None else max(least, len(texts[0]))].strip() or "a" * least


def _decimals(words: tuple[str, ...], schema: _Schema) -> Iterator[str]:
    """Text that is a number, with as many places as the column has: its schema shows them by an example."""
    (shape,) = [text for text in schema.get("examples", ()) if re.fullmatch(r"0(\.0+)?", str(text))][:1] or [
        ""
    ]
    if shape:
        places = len(shape.partition(".")[2])
        values = (_named(words, _NUMBERS), 12.5, 1.5, 0.5, 1, *_bounds(schema))
        yield from (f"{value:.{places}f}" for value in values if value is not None)


def _integers(words: tuple[str, ...], schema: _Schema) -> Iterator[JsonValue]:
    value = _named(words, _NUMBERS)
    yield from () if value is None else (int(value),)
    yield from filter(None, [schema.get("default")])
    yield from (1, *(int(bound) for bound in _bounds(schema)))


def _numbers(words: tuple[str, ...], schema: _Schema) -> Iterator[JsonValue]:
    value = _named(words, _NUMBERS)
    yield from () if value is None else (float(value),)
    yield from filter(None, [schema.get("default")])
    yield from (1.5, 1.0, 0.5, *_bounds(schema))


def _bounds(schema: _Schema) -> Iterator[float]:
    """What lies at the edges of a range, and what can be divided."""
    yield from (schema[name] + step for name, step in _BOUNDS.items() if name in schema)
    lowest, factor = schema.get("minimum", schema.get("exclusiveMinimum", 0)), schema.get("multipleOf")
    if factor:
        yield (lowest // factor + 1) * factor
    if "minimum" in schema and "maximum" in schema:
        yield (schema["minimum"] + schema["maximum"]) / 2


def _arrays(words: tuple[str, ...], schema: _Schema) -> Iterator[JsonValue]:
    name = "_".join([*words[:-1], words[-1].removesuffix("s")]) if words else ""
    least = schema.get("minItems", 1)
    yield from ([value] * max(least, 1) for value in candidates(name, schema.get("items", {})))
    yield []


def _objects(_words: tuple[str, ...], schema: _Schema) -> Iterator[JsonValue]:
    if not schema.get("properties"):
        inner = schema.get("additionalProperties", True)
        values = candidates("value", inner) if isinstance(inner, dict) else ("value",)
        yield from ({"key": value} for value in values)
    yield {}


_OF_TYPE: Final[Mapping[str, Callable[[tuple[str, ...], _Schema], Iterator[JsonValue]]]] = MappingProxyType(
    {
        "boolean": _booleans,
        "string": _texts,
        "integer": _integers,
        "number": _numbers,
        "array": _arrays,
        "object": _objects,
    }
)
