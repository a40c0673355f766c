"""What a client asks for: verbs, and frozen values in which names are still text, and values as they were sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["VERBS", "Condition", "Count", "Order", "Query", "Verb"]

Verb: TypeAlias = Literal["list", "create", "read", "replace", "update", "delete"]
Count: TypeAlias = Literal["exact"]

VERBS: Final[tuple[Verb, ...]] = ("list", "create", "read", "replace", "update", "delete")
"""In the order in which they are documented."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A field equals any of the values; `parameter` is how the client spelt the field."""

    field: str
    values: tuple[str, ...]
    parameter: str


@dataclass(frozen=True, slots=True)
class Order:
    """One sort term."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One list request: conditions that all hold, sort terms, and which part of the rows.

    `limit` and `offset` are in rows; None is "not said".
    """

    conditions: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None
    count: Count | None = None
