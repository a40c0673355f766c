"""Query + description → plan: names resolved, values typed, limits checked, the order made stable."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from splice.description import Description, Field
from splice.errors import Invalid, Issue, UnknownField
from splice.issues import first_issue
from splice.parser import PARAMETERS
from splice.terms import Condition, Order, Query

__all__ = [
    "MAX_LIMIT",
    "MAX_OFFSET",
    "MAX_VALUES",
    "Adapters",
    "Filter",
    "ReadPlan",
    "Readable",
    "Sort",
    "plan_read",
    "readable",
]

_DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 1_000
MAX_OFFSET: Final = 100_000
"""Rows that may be skipped: the database reads and throws away every one of them."""
MAX_VALUES: Final = 500
"""Values in one query, so that a long list cannot exceed what a driver binds."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A field equals any of the values; NULL matches none."""

    field: Field
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort term; NULLs come last on every database."""

    field: Field
    descending: bool


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """What a list request will do; `order` always ends with the key, so that pages do not overlap."""

    description: Description
    filters: tuple[Filter, ...]
    order: tuple[Sort, ...]
    limit: int
    offset: int
    counted: bool


class Adapters(dict[str, TypeAdapter[Any]]):
    """How the text of a query becomes a value of each field; made when the field is first asked for."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        super().__init__()
        self.types = types

    def __missing__(self, name: str) -> TypeAdapter[Any]:
        adapter = self[name] = TypeAdapter(self.types[name])
        return adapter


@dataclass(frozen=True, slots=True, eq=False)
class Readable:
    """What may be asked of a model: the fields that can be filtered and sorted, and how text becomes their values."""

    description: Description
    fields: Mapping[str, Field]
    adapters: Adapters
    default_limit: int
    max_limit: int


def readable(description: Description, max_limit: int = MAX_LIMIT) -> Readable:
    """Prepare a described model for planning; `max_limit` is in rows."""
    fields = {field.name: field for field in description.readable if _comparable(field)}
    return Readable(
        description=description,
        fields=MappingProxyType(fields),
        adapters=Adapters({name: description.types[name].query for name in fields}),
        default_limit=min(_DEFAULT_LIMIT, max_limit),
        max_limit=max_limit,
    )


def plan_read(query: Query, model: Readable) -> ReadPlan:
    """Resolve a query against a model.

    The key is always the last sort term, so that pages do not overlap.

    Raises:
        Invalid: A name is not a field, a value does not fit its column, or a bound is exceeded; every fault is listed,
            and a misspelt name carries the nearest one as its hint.
    """
    issues = [*_bounds(query, model)]
    filters = tuple(_filter(condition, model, issues) for condition in query.conditions)
    order = tuple(_sort(term, model, issues) for term in query.order)
    if issues:
        raise _refusal(issues)
    return ReadPlan(
        description=model.description,
        filters=tuple(found for found in filters if found is not None),
        order=_stable([found for found in order if found is not None], model.description),
        limit=model.default_limit if query.limit is None else query.limit,
        offset=query.offset or 0,
        counted=query.count == "exact",
    )


def _refusal(issues: Sequence[Issue]) -> Invalid:
    kind = UnknownField if all(issue.code == UnknownField.code for issue in issues) else Invalid
    detail = issues[0].detail if len(issues) == 1 else f"{len(issues)} things are wrong with the query string"
    return kind(detail, issues=issues)


def _comparable(field: Field) -> bool:
    return not isinstance(field.stored_type, sa.JSON | sa.ARRAY)


def _bounds(query: Query, model: Readable) -> Iterator[Issue]:
    if query.limit is not None and not 1 <= query.limit <= model.max_limit:
        yield Issue(f"limit should lie between 1 and {model.max_limit}", "out-of-range", parameter="limit")
    if (query.offset or 0) > MAX_OFFSET:
        yield Issue(
            f"offset should be at most {MAX_OFFSET}", "out-of-range", "filter the rows", parameter="offset"
        )
    if sum(len(condition.values) for condition in query.conditions) > MAX_VALUES:
        yield Issue(f"at most {MAX_VALUES} values can be compared in one query", "too-many-values")


def _filter(condition: Condition, model: Readable, issues: list[Issue]) -> Filter | None:
    field = model.fields.get(condition.field)
    if field is None:
        issues.append(_unknown(condition.field, condition.parameter, model, PARAMETERS))
        return None
    return Filter(field, tuple(_typed(text, condition, model, issues) for text in condition.values))


def _typed(text: str, condition: Condition, model: Readable, issues: list[Issue]) -> Any:
    try:
        return model.adapters[condition.field].validate_strings(text)
    except ValidationError as error:
        issues.append(first_issue(error, parameter=condition.parameter))
        return None


def _sort(term: Order, model: Readable, issues: list[Issue]) -> Sort | None:
    field = model.fields.get(term.field)
    if field is None:
        issues.append(_unknown(term.field, "order_by", model))
        return None
    return Sort(field, term.descending)


def _unknown(name: str, parameter: str, model: Readable, also: Sequence[str] = ()) -> Issue:
    # The name is what the client sent; it is shortened, since nobody's answer should be a megabyte.
    near = difflib.get_close_matches(name[:100], [*model.fields, *also], n=1)
    return Issue(
        f"{model.description.name} has no field {name[:100]!r} to filter or sort by",
        UnknownField.code,
        f"did you mean {near[0]!r}?" if near else f"known: {', '.join(model.fields)}",
        parameter=parameter[:100],
    )


def _stable(order: Sequence[Sort], description: Description) -> tuple[Sort, ...]:
    """The terms asked for and then the key; a second term on one field cannot change anything."""
    terms: dict[str, Sort] = {}
    for term in (*order, *(Sort(field, descending=False) for field in description.key)):
        terms.setdefault(term.field.name, term)
    return tuple(terms.values())
