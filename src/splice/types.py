"""Column types for SQLite, where each value has a type of its own, whatever its column was declared to be.

A column `DATETIME` may hold `2016-07-04`, `1467590400` or `never`; a `NUMERIC(10, 2)` may hold `7`; a `BLOB` may hold
text. Models of a file that exists have to show all of it, and to find it by what they show. What is written is held to
the declared type.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias

import sqlalchemy as sa
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, ValidationInfo
from pydantic_core import PydanticCustomError
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

__all__ = ["AsStored", "Json", "Moment", "Number", "Value"]

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}.*)?|[0-9]{2}:[0-9]{2}.*")
_EXACT_DIGITS: Final = 15
"""Of a number that a double holds; SQLite would store more of them as another number."""
_EPOCH_DAY: Final = "1970-01-01T"


class _Untyped(sa.types.UserDefinedType[Any]):
    """No declared type, as in `CREATE TABLE settings (name, value)` and in most views."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return ""


class AsStored(sa.TypeDecorator[Any]):
    """A column of SQLite that is shown as it is stored, even where that is not of the declared type.

    | declared | shown |
    |---|---|
    | `Date`, `DateTime`, `Time` | the text that is stored: annotate `Moment` |
    | `Numeric(10, 2)` | a Decimal of two places, or of as many as are stored |
    | `Numeric(asdecimal=False)` | the integer or the float that is stored: annotate `Number` |
    | `Boolean` | true and false for 1 and 0 |
    | `JSON` | what the text says: annotate `Json` |
    | `LargeBinary` | bytes, of a text those in UTF-8 |
    | nothing | the value itself: annotate `Value` |

    Any other value is shown as it is; bytes where none were declared are text in base64.

    Moments are text here since SQLite has no type for them: it compares and sorts them as text, in whichever form they
    were written, and a filter has to find what an answer shows. Once all rows are known to be well-formed,
    `mapped_column(DateTime)` with `Mapped[datetime.datetime]` takes the place of `mapped_column(AsStored(DateTime))`.

    Args:
        declared: The type that the table states, whose limits hold for what is written.
    """

    impl: Any = _Untyped
    cache_ok: bool | None = True

    def __init__(self, declared: TypeEngine[Any] | type[TypeEngine[Any]] | None = None) -> None:
        super().__init__()
        self.declared: TypeEngine[Any] = sa.types.to_instance(declared or _Untyped)
        self.impl = self.declared

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Text and numbers are bound as they are; the declared type prepares all others."""
        return None if _is_bound_unchanged(self.declared) else super().bind_processor(dialect)

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str] | None:
        if isinstance(self.declared, _MOMENTS):
            literal: Callable[[Any], str] | None = (
                sa.String().dialect_impl(dialect).literal_processor(dialect)
            )
            return literal
        return super().literal_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:  # noqa: ARG002  # SQLAlchemy's
        """The declared type's own reading stops at the first value that is not of it."""
        return _reader(self.declared)


_MOMENTS: Final = (sa.Date, sa.DateTime, sa.Time)


def _is_bound_unchanged(declared: TypeEngine[Any]) -> bool:
    as_number = isinstance(declared, sa.Numeric) and not declared.asdecimal
    return as_number or isinstance(declared, (*_MOMENTS, _Untyped))


def _reader(declared: TypeEngine[Any]) -> Callable[[Any], Any]:
    if isinstance(declared, sa.Numeric) and declared.asdecimal:
        return _read_decimal(declared.scale or 0)
    return next((read for kind, read in _READERS if isinstance(declared, kind)), _read_any)


def _read_any(value: Any) -> Any:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def _read_decimal(places: int) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, int | float):
            return _read_any(value)
        exact = Decimal(repr(value))
        if not exact.is_finite():
            return exact
        stored = -int(exact.as_tuple().exponent)
        return Decimal(format(exact, f".{max(places, stored)}f"))

    return read


def _read_boolean(value: Any) -> Any:
    return bool(value) if value in {0, 1} and isinstance(value, int | float) else _read_any(value)


def _read_bytes(value: Any) -> Any:
    return value if value is None or isinstance(value, bytes) else str(value).encode()


def _read_json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else _read_any(value)
    except ValueError:
        return value


_READERS: Final[tuple[tuple[type[Any], Callable[[Any], Any]], ...]] = (
    (sa.Boolean, _read_boolean),
    (sa.LargeBinary, _read_bytes),
    (sa.JSON, _read_json),
)


def _is_moment(value: str) -> str:
    """ISO 8601 with a space or a T, or the plain number by which some programs store time."""
    try:
        if _NUMBER.fullmatch(value) and sum(map(str.isdigit, value)) <= _EXACT_DIGITS:
            return value
        if _MOMENT.fullmatch(value):
            dt.datetime.fromisoformat(_EPOCH_DAY + value if value[2] == ":" else value)
            return value
    except ValueError:
        pass
    raise PydanticCustomError(
        "moment_parsing", "Input should be a date, a time or both, such as 2026-01-31 12:00:00"
    )


def _number_of_text(value: Any, info: ValidationInfo) -> Any:
    """In an address every value is text; what is written like a number is meant as one."""
    # A query string is read in a mode of its own; the part of a path is a value alone, not one of a model.
    in_address = str(info.mode) == "string" or (str(info.mode) == "python" and info.field_name is None)
    written = in_address and isinstance(value, str) and _NUMBER.fullmatch(value)
    return (float if "." in value else int)(value) if written else value


def _no_large_integer(value: Any) -> Any:
    """An integer of more than 64 bits would be stored as another number."""
    if isinstance(value, int) or (isinstance(value, str) and re.fullmatch("-?[0-9]{19,}", value)):
        raise PydanticCustomError("number_range", "Input should be an integer of 64 bits, or a decimal")
    return value


_Whole: TypeAlias = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
_Real: TypeAlias = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_no_large_integer)]

Moment: TypeAlias = Annotated[str, AfterValidator(_is_moment)]
"""A date, a time, or both, as text in the form that is stored."""

Number: TypeAlias = _Whole | _Real
"""An integer of 64 bits or a float, whichever is stored."""

Value: TypeAlias = Annotated[_Whole | _Real | str, BeforeValidator(_number_of_text)]
"""Whatever a column without a type holds: an integer, a float, or text."""

Json: TypeAlias = JsonValue
"""Any value that JSON has."""
