"""What a database says of one table or view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from splice.reflection.models import Command, Kind, Place

__all__ = ["Source"]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One table or view as the database describes it.

    `columns` and the rest have the keys of SQLAlchemy's inspector; where the type of a column is None, its `refusal`
    says why it cannot be an attribute. `diverted` names the commands that a rule of the database turns into others,
    `barred` those that it would refuse, with the reason. Rows are `filled` where a trigger may supply what is missing.
    The `refusal` of a table says why nothing else is known.
    """

    place: Place
    kind: Kind
    columns: Sequence[Mapping[str, Any]] = ()
    key: tuple[str, ...] = ()
    foreign_keys: Sequence[Mapping[str, Any]] = ()
    uniques: Sequence[Mapping[str, Any]] = ()
    indexes: Sequence[Mapping[str, Any]] = ()
    checks: Sequence[Mapping[str, Any]] = ()
    comment: str | None = None
    diverted: frozenset[Command] = frozenset()
    barred: Mapping[Command, str] = field(default_factory=dict)
    filled: bool = False
    refusal: str | None = None
