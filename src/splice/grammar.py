"""What the spellings of a query share: names of settings, paths with operators, and the tree of expanded relations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from splice.errors import Issue
from splice.terms import COUNTS, OPERATORS, All, Count, Expand, Filter, Operator, Order, Place, Query

__all__ = [
    "LISTS",
    "MAX_ISSUES",
    "MAX_SHOWN",
    "MAX_WAY",
    "NAMES",
    "Draft",
    "Names",
    "Role",
    "count_of",
    "is_way",
    "issue",
    "operator_of",
    "order_of",
    "shown_name",
]

Role: TypeAlias = str
"""The name of a setting in `terms.Query`."""

LISTS: Final = frozenset({"in", "not_in", "between"})
"""Operators that take several values."""

MAX_WAY: Final = 10
"""Relations inside of each other in one request; far fewer are shown."""

_SEPARATOR: Final = "__"
MAX_SHOWN: Final = 100
"""Characters of a name that an answer repeats: nobody's answer should be a megabyte."""

MAX_ISSUES: Final = 50
"""Faults that one answer names, since each costs a search for the nearest name."""


@dataclass(frozen=True)
class Names:
    """How clients spell the settings of a query; one of None does not exist, and its name is that of any field."""

    limit: str = "limit"
    offset: str | None = "offset"
    cursor: str | None = "cursor"
    count: str | None = "count"
    order_by: str = "order_by"
    fields: str = "fields"
    expand: str = "expand"
    page: str | None = None

    @cached_property
    def roles(self) -> Mapping[str, Role]:
        """What each of the names stands for."""
        spelt = {
            "limit": self.limit,
            "offset": self.offset,
            "cursor": self.cursor,
            "count": self.count,
            "order": self.order_by,
            "fields": self.fields,
            "expand": self.expand,
            "page": self.page,
        }
        return MappingProxyType({name: role for role, name in spelt.items() if name is not None})


NAMES: Final = Names()


@dataclass
class Draft:
    """A query in the making: of the request itself, or of a relation that it shows."""

    at: Place = field(default_factory=Place)
    settings: dict[Role, Any] = field(default_factory=dict)
    places: dict[Role, Place] = field(default_factory=dict)
    filters: list[Filter] = field(default_factory=list)
    order: list[Order] = field(default_factory=list)
    fields: dict[str, None] | None = None
    relations: dict[str, Draft] = field(default_factory=dict)

    def relation(self, way: Iterable[str], at: Place) -> Draft:
        """The draft of a relation, shown from now on; those on the way to it are shown too."""
        draft = self
        for name in way:
            draft = draft.relations.setdefault(name, Draft(at))
        return draft

    def set(self, role: Role, value: Any, at: Place) -> None:
        """Take a setting."""
        self.settings[role], self.places[role] = value, at

    def show(self, names: Iterable[str], at: Place) -> None:
        """Show fields; one that is spelt `author.name` is the relation's."""
        self.fields = {} if self.fields is None else self.fields
        self.places.setdefault("fields", at)
        for name in names:
            first, _, rest = name.partition(".")
            if rest:
                self.relation([first], at).show([rest], at)
            else:
                self.fields[first] = None

    def query(self) -> Query:
        """What was asked for."""
        return Query(
            filter=All(tuple(self.filters)),
            order=tuple(self.order),
            fields=None if self.fields is None else tuple(self.fields),
            expand=tuple(Expand(name, draft.query(), draft.at) for name, draft in self.relations.items()),
            places=self.places,
            **self.settings,
        )


def operator_of(name: str) -> tuple[str, Operator]:
    """The path and the operator that a name is made of: the last part, if it is one, behind a path."""
    path, separator, last = name.rpartition(_SEPARATOR)
    return (path, last) if separator and path and last in OPERATORS else (name, "eq")


def is_way(parts: Sequence[str]) -> bool:
    """Whether names lead anywhere: none is missing, and they are not too many."""
    return all(parts) and len(parts) <= MAX_WAY


def order_of(terms: Sequence[tuple[str, Place]]) -> list[Order]:
    """Sort terms, each with its place; `-` before one sorts descending."""
    return [Order(text.removeprefix("-"), descending=text.startswith("-"), at=at) for text, at in terms]


def count_of(said: str) -> Count | None:
    """How to count; None where that is no way to."""
    return said if said in COUNTS else None


def issue(at: Place, detail: str, code: str, hint: str | None = None) -> Issue:
    """One thing that is wrong, at its place; names of the client's are shortened."""
    pointer = None if at.pointer is None else at.pointer[: 3 * MAX_SHOWN]
    parameter = None if at.parameter is None or pointer is not None else shown_name(at.parameter)
    return Issue(detail, code, hint, pointer, parameter)


def shown_name(name: str) -> str:
    """As much of a name that was sent as an answer repeats."""
    return name[:MAX_SHOWN]
