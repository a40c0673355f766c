"""Values as JSON: one that fits a column of each type, and all that do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

__all__ = ["SECRET", "Spelling", "example", "has_limits", "unfit_values"]

SECRET: Final = "k9-canary"
"""Stands in what is sent as a value; no answer may repeat it."""

Spelling: TypeAlias = tuple[str, str]
"""A label, and JSON as it is sent."""


def example(kind: Any, number: int) -> str:
    """JSON of a value that a column of this type takes, another for each number where it is a text."""
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


def has_limits(kind: Any) -> bool:
    """Whether a type tells what does not fit it; many that are found in databases do not."""
    if isinstance(kind, sa.Numeric) and not isinstance(kind, sa.Float):
        return kind.precision is not None
    return isinstance(kind, (sa.JSON, sa.ARRAY, *(type_ for type_, _ in _UNFIT)))


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
