"""Which operators a column allows, and how many values each of them takes."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import sqlalchemy as sa
from pydantic import EmailStr
from sqlalchemy.dialects import mysql

from splice.description import Field
from splice.terms import OPERATORS, Operator

__all__ = ["LIKE", "is_comparable", "operators_of", "takes"]

LIKE: Final[frozenset[Operator]] = frozenset(
    {"contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"}
)
"""Those that look for a piece of text."""

_EQUALITY: Final[frozenset[Operator]] = frozenset({"eq", "ne", "in", "not_in", "isnull"})
_ORDERED: Final[frozenset[Operator]] = _EQUALITY | {"gt", "gte", "lt", "lte", "between"}
_TEXTUAL: Final[frozenset[Operator]] = _ORDERED | LIKE
_INCOMPARABLE: Final[frozenset[Operator]] = frozenset({"isnull"})

_ORDERED_TYPES: Final = (sa.Integer, sa.Numeric, sa.Float, sa.Date, sa.DateTime, sa.Time, sa.Interval)


def operators_of(field: Field) -> tuple[Operator, ...]:
    """What a field can be asked by, in the order in which operators are documented."""
    allowed = _allowed(field)
    return tuple(operator for operator in OPERATORS if operator in allowed)


def is_comparable(field: Field) -> bool:
    """Whether its values can be compared, and so sorted by."""
    return not isinstance(field.stored_type, sa.JSON | sa.ARRAY)


def takes(operator: Operator, values: int) -> bool:
    """Whether an operator takes this number of values."""
    if operator in {"in", "not_in"}:
        return values >= 1
    return values == (2 if operator == "between" else 1)


def _allowed(field: Field) -> frozenset[Operator]:
    stored = field.stored_type
    if not is_comparable(field):
        return _INCOMPARABLE
    if isinstance(stored, sa.String) and not isinstance(stored, sa.Enum | mysql.SET):
        return _TEXTUAL if _reads_as_text(field) else _ORDERED
    return _ORDERED if isinstance(stored, _ORDERED_TYPES) else _EQUALITY


def _reads_as_text(field: Field) -> bool:
    """What a decorator stores as text and shows as something else has no pieces that a client would know."""
    return not isinstance(field.type, sa.TypeDecorator) or _is_text(field.annotation)


def _is_text(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _is_text(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return all(_is_text(part) for part in get_args(annotation) if part is not type(None))
    return annotation is EmailStr or (isinstance(annotation, type) and issubclass(annotation, str))
