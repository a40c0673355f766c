"""What a client asks for: verbs, and frozen values in which names are still text, and values as they were sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

__all__ = [
    "COUNTS",
    "OPERATORS",
    "VERBS",
    "All",
    "AnyOf",
    "Condition",
    "Count",
    "Expand",
    "Filter",
    "Not",
    "Operator",
    "Order",
    "Place",
    "Query",
    "Related",
    "Scalar",
    "Verb",
]

Verb: TypeAlias = Literal["list", "create", "read", "replace", "update", "delete"]
Count: TypeAlias = Literal["exact", "capped", "estimated"]
Operator: TypeAlias = Literal[
    "eq",
    "ne",
    "gt",
    "gte",
    "lt",
    "lte",
    "in",
    "not_in",
    "contains",
    "icontains",
    "startswith",
    "istartswith",
    "endswith",
    "iendswith",
    "isnull",
    "between",
]
Scalar: TypeAlias = str | int | float | bool
"""A value as it was sent: always text in a query string, a JSON scalar in a document."""

VERBS: Final[tuple[Verb, ...]] = ("list", "create", "read", "replace", "update", "delete")
"""In the order in which they are documented."""

COUNTS: Final[tuple[Count, ...]] = get_args(Count)
OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the request something stands: a query parameter, or a JSON Pointer into the body."""

    parameter: str | None = None
    pointer: str | None = None


_NOWHERE: Final = Place()


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of one field; `path` leads to it through relations, as in `author__name`.

    `in` and `not_in` have one value or more, `between` two, all others one; that of `isnull` is true or false, or the
    text of it.
    """

    path: str
    operator: Operator
    values: tuple[Scalar, ...]
    at: Place = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; without parts it always does."""

    parts: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds; it has one or more."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false. One that is unknown, since it compares NULL, stays unknown."""

    part: Filter


@dataclass(frozen=True, slots=True)
class Related:
    """There is a row behind the relation at `path` for which the whole part holds."""

    path: str
    part: Filter
    at: Place = field(default=_NOWHERE, compare=False)


Filter: TypeAlias = Condition | All | AnyOf | Not | Related


@dataclass(frozen=True, slots=True)
class Order:
    """One sort term; `path` may lead through relations to one row."""

    path: str
    descending: bool = False
    at: Place = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Expand:
    """A relation to show, and which of its rows: all that a query says, but no cursor, offset, page or count."""

    relation: str
    query: Query
    at: Place = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Query:
    """One request to read: which rows, in which order, how many of them, and what of each.

    `limit` and `offset` are in rows, `page` counts from 1; None is "not said". `fields` are the model's own; what is
    wanted of a relation stands in its `Expand`. `places` tells where settings stand in the request, by the name that
    they have here.
    """

    filter: All = All()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None
    page: int | None = None
    cursor: str | None = None
    count: Count | None = None
    fields: tuple[str, ...] | None = None
    expand: tuple[Expand, ...] = ()
    places: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}), compare=False)

    def at(self, setting: str) -> Place:
        """Where a setting stands in the request, by its name here: `limit` or `fields`."""
        return self.places.get(setting) or Place(parameter=setting)
