"""Rows as CSV and as JSON lines, in the spellings of JSON; and which of them a client asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypeVar

import pydantic_core

from splice.errors import Invalid, Issue
from splice.reads import Many, One, Selection

__all__ = ["CsvWriter", "MediaType", "lines", "media_type_of"]

_T = TypeVar("_T")
MediaType: TypeAlias = Literal["application/json", "application/jsonl", "text/csv"]

_NAMES: Final[Sequence[tuple[str, MediaType]]] = (
    ("application/json", "application/json"),
    ("application/jsonl", "application/jsonl"),
    ("application/x-ndjson", "application/jsonl"),
    ("application/ndjson", "application/jsonl"),
    ("text/csv", "text/csv"),
)
"""What clients call the forms of a list; of equally welcome ones the first is sent."""

_WEIGHT: Final = re.compile(r"0(\.[0-9]*)?|1(\.0*)?")
_NEEDS_QUOTES: Final = frozenset(',"\r\n')


def lines(rows: Iterable[_T], to_json: Callable[[_T], bytes]) -> bytes:
    """JSON lines: a JSON text for each row, each ended by a line feed.

    Source: jsonlines.org.
    """
    return b"".join(to_json(row) + b"\n" for row in rows)


class CsvWriter:
    """A table of what a selection shows: RFC 4180 in UTF-8.

    Columns are fields, then those of relations to one row, as `author.name`. NULL is an empty cell and the empty text
    `""`, so that the two differ; arrays and JSON are JSON text.

    Raises:
        Invalid: The selection shows a relation to many rows, which has no place in a table.
    """

    def __init__(self, selection: Selection) -> None:
        self._columns = tuple(_columns(selection, ()))

    def header(self) -> bytes:
        """The names of the columns."""
        return _record(".".join(way) for way in self._columns)

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> bytes:
        """Rows of values that JSON knows."""
        return b"".join(_record(_at(row, way) for way in self._columns) for row in rows)


def _columns(selection: Selection, way: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield from ((*way, field.name) for field in selection.fields)
    for relation in selection.relations:
        yield from _columns(_of_one(relation, way).selection, (*way, relation.link.name))


def _of_one(relation: One | Many, way: tuple[str, ...]) -> One | Many:
    if not relation.link.many:
        return relation
    name = ".".join((*way, relation.link.name))
    raise Invalid(
        issues=[
            Issue(
                f"{name} leads to many rows, which have no place in a table",
                "no-table",
                "leave it out, or ask for application/jsonl",
                parameter="expand",
            )
        ]
    )


def _at(row: Mapping[str, Any] | None, way: Sequence[str]) -> Any:
    """The value at the end of a way; None where a row on it is absent."""
    value: Any = row
    for name in way:
        value = None if value is None else value[name]
    return value


def _record(values: Iterable[Any]) -> bytes:
    return ",".join(map(_cell, values)).encode() + b"\r\n"


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else _json(value)
    if text is None:
        return ""
    quoted = not text or not _NEEDS_QUOTES.isdisjoint(text) or text != text.strip()
    return '"' + text.replace('"', '""') + '"' if quoted else text


def _json(value: Any) -> str | None:
    """As Pydantic spells it in answers, which is not always as Python does; what is null there is NULL here."""
    text = pydantic_core.to_json(value, inf_nan_mode="null").decode()
    return None if text == "null" else text


def media_type_of(accept: str | None) -> MediaType | None:
    """The form of a list that a client likes best (RFC 9110, 12.5.1); None where it takes none of them."""
    if accept is None or not accept.strip():
        return "application/json"
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    weighed = [(_weight(name, ranges), form) for name, form in _NAMES]
    best = max(weight for weight, _ in weighed)
    return next(form for weight, form in weighed if weight == best) if best > 0 else None


def _range(text: str) -> tuple[str, float]:
    """One media range and how welcome it is."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    weights = [part[2:] for part in parameters if part.startswith("q=")]
    if not weights:
        return name, 1.0
    return name, float(weights[0]) if _WEIGHT.fullmatch(weights[0]) else 0.0


def _weight(name: str, ranges: Sequence[tuple[str, float]]) -> float:
    """How welcome a media type is: the most specific range that names it decides."""
    kind = name.partition("/")[0]
    for wanted in (name, f"{kind}/*", "*/*"):
        found = [weight for given, weight in ranges if given == wanted]
        if found:
            return max(found)
    return 0.0
