"""What tells two reads apart by their filter and order: the same for the same read in every process."""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

from pydantic_core import to_json

from splice.description import Description
from splice.reads import Compare, Custom, Either, Every, Exists, KeyIs, Negation, Sort, Test

__all__ = ["fingerprint"]

_Spelling: TypeAlias = tuple[Any, ...]

_BYTES: Final = 8
"""Enough for a mistake to be noticed; nothing is kept safe by it."""


def fingerprint(description: Description, test: Test, order: Sequence[Sort]) -> str:
    """A short hash of which rows are read in which order, whatever page and shape is asked for."""
    spelt = (description.name, description.qualified, _test(test), tuple(_sort(term) for term in order))
    return hashlib.blake2s(repr(spelt).encode("utf-8", "backslashreplace"), digest_size=_BYTES).hexdigest()


def _test(test: Test) -> _Spelling:
    match test:
        case Compare():
            spelt: _Spelling = ("compare", test.field.name, test.operator, *map(_value, test.values))
        case Custom():
            spelt = ("custom", test.name, _value(test.value))
        case Every() | Either():
            spelt = (type(test).__name__, *sorted(map(_test, test.parts), key=repr))
        case Negation():
            spelt = ("not", _test(test.part))
        case Exists():
            spelt = ("exists", test.link.name, _test(test.part))
        case KeyIs():
            spelt = ("key", *map(_value, test.values))
        case _:
            spelt = ("child", test.parent.name, test.link.name, *map(_value, test.key))
    return spelt


def _sort(term: Sort) -> _Spelling:
    return (*(link.name for link, _ in term.links), term.by.name, term.descending)


def _value(value: Any) -> _Spelling:
    """A value without what differs between processes: addresses, and the order of sets."""
    return (type(value).__name__, _plain(value))


def _plain(value: Any) -> Any:
    match value:
        case enum.Enum():
            plain: Any = value.name
        case None | bool() | int() | float() | str() | bytes():
            plain = value
        case Decimal() if value.is_finite():
            # 9.5 and 9.50 are one value; in hexadecimal, since Python bounds the length of decimal text.
            plain = tuple(f"{part:x}" for part in value.as_integer_ratio())
        case dt.date() | dt.time():
            plain = value.isoformat()
        case list() | tuple():
            plain = tuple(map(_value, value))
        case set() | frozenset():
            plain = tuple(sorted(map(_value, value), key=repr))
        case Mapping():
            plain = tuple(sorted(((_value(name), _value(part)) for name, part in value.items()), key=repr))
        case _:
            plain = to_json(value, fallback=lambda part: type(part).__qualname__)
    return plain
