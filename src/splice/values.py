"""Column types as Pydantic types that hold exactly their values.

Three spellings of each: `write` for bodies (strict, with every limit of the column and of the annotation), `read` for
answers (no limits: what is stored is shown), `query` for text in a query string or path (lax, the column's limits).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import enum
import functools
import math
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import sqlalchemy as sa
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MultipleOf
from pydantic import AfterValidator, BeforeValidator, EmailStr, JsonValue, PlainSerializer, WithJsonSchema
from pydantic import Field as Limit
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from splice.errors import SetupError

__all__ = ["ValueType", "value_type"]

_Annotation: TypeAlias = Any

_MAX_NUMBER_DIGITS: Final = 15
"""Decimal digits that a JSON number keeps on its way through a double."""

_MAX_JSON_DEPTH: Final = 64
"""Nesting of arrays and objects in one JSON column."""

# SQLAlchemy stores an interval as a moment after 1970 where the database has no such type.
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SHORTEST: Final = dt.datetime(1, 1, 1, tzinfo=dt.UTC) - _EPOCH
_LONGEST: Final = dt.datetime(9999, 12, 31, tzinfo=dt.UTC) - _EPOCH
_NO_NUL_PATTERN: Final = r"^[^\x00]*$"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_TIME_PATTERN: Final = f"^{_TIME}$"
_NAIVE_PATTERN: Final = rf"^[0-9]{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T{_TIME}$"
_UUID_PATTERN: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_DATE_TEXT: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATETIME_TEXT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_DECIMAL_TEXT: Final = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_NUMBER_TEXT: Final = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_BASE64_PATTERN: Final = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


@dataclass(frozen=True, slots=True)
class ValueType:
    """The annotations of one column; nullability is added by whoever uses them."""

    write: _Annotation
    read: _Annotation
    query: _Annotation


def value_type(type_: TypeEngine[Any], annotation: _Annotation, owner: str) -> ValueType:
    """The Pydantic types for a column.

    Args:
        type_: The SQLAlchemy type.
        annotation: What stands inside `Mapped[…]`, or None; kept, and tightened by the column.
        owner: `Model.field`, for the message.

    Raises:
        SetupError: The type has no known Python values; the message holds the fix.
    """
    given = _without_none(annotation)
    if isinstance(type_, sa.ARRAY):
        return _array(type_, given, owner)
    if isinstance(type_, sa.PickleType):
        raise SetupError(
            f"{owner} is a PickleType, whose values are known to Python alone; use sa.JSON, or mark it private"
        )
    plain = _plain(type_)
    if plain is not None:
        return _annotated(plain, given)
    if isinstance(type_, sa.TypeDecorator):
        return _decorated(type_, given, owner)
    raise SetupError(
        f"{owner} has the type {type(type_).__name__}, whose Python values splice does not know; wrap it in a "
        "sqlalchemy.types.TypeDecorator and annotate the attribute with Mapped[<its Python type>], or mark it private"
    )


@dataclass(frozen=True, slots=True)
class _Plain:
    """What a rule says of a column: its Python type, the limits on writing, how it is read."""

    python: _Annotation
    limits: tuple[Any, ...] = ()
    read: _Annotation = None
    query_limits: tuple[Any, ...] = ()
    lower: Any = None
    upper: Any = None
    max_length: int | None = None
    example: Any = None
    schema: dict[str, Any] | None = None


def _plain(type_: TypeEngine[Any]) -> _Plain | None:
    if isinstance(type_, mysql.SET):  # It calls itself text, and reads as a set.
        return None
    return next((rule(type_) for kind, rule in _RULES if isinstance(type_, kind)), None)


def _annotated(plain: _Plain, given: _Annotation) -> ValueType:
    core, metadata = _split(given)
    python = plain.python if core is None or _same(core, plain.python) else core
    bounds = [
        *_column_bounds(plain, metadata),
        *_column_length(plain, metadata),
        *_column_pattern(plain, metadata),
        *_column_example(plain, given),
    ]
    column_bounds = [
        *_column_bounds(plain, ()),
        *_column_pattern(plain, ()),
        *plain.query_limits,
        *_column_schema(plain, ()),
    ]
    return ValueType(
        write=_join(python, [*metadata, *bounds, *plain.limits, *_column_schema(plain, metadata)]),
        read=python if plain.read is None else plain.read,
        query=_join(plain.python, column_bounds),
    )


def _decorated(type_: sa.TypeDecorator[Any], given: _Annotation, owner: str) -> ValueType:
    """What the annotation says, within what can be stored below where both are about the same Python type."""
    if given is None or _split(given)[0] in {Any, object}:
        raise SetupError(
            f"{owner} is a TypeDecorator without an annotation that names its Python type; write "
            f"`{owner.rsplit('.', maxsplit=1)[-1]}: Mapped[<type>] = mapped_column(…)`, or mark it private"
        )
    plain = _stored(type_)
    if plain is None or not _is_about(given, plain.python):
        return ValueType(write=given, read=given, query=given)
    return _annotated(plain, given)


def _stored(type_: sa.TypeDecorator[Any]) -> _Plain | None:
    """The rule of what lies below a decorator; many exist to change zones, so theirs are not held to the column's."""
    below = type_.impl_instance
    if isinstance(below, sa.DateTime):
        spelt = (BeforeValidator(_datetime_of_text),)
        return _Plain(dt.datetime, limits=spelt, query_limits=spelt)
    if isinstance(below, sa.Time):
        return _Plain(dt.time)
    return _plain(below) or (_stored(below) if isinstance(below, sa.TypeDecorator) else None)


def _is_about(given: _Annotation, python: _Annotation) -> bool:
    core, _ = _split(given)
    if core is python:
        return True
    bare = getattr(core, "__supertype__", getattr(core, "__value__", core))
    if bare is not core:
        return _is_about(bare, python)
    texts = core is EmailStr or (
        get_origin(core) is Literal and all(type(text) is str for text in get_args(core))
    )
    of_json = python is JsonValue and get_origin(core) in {dict, list}
    return _same(core, python) or (texts and python is str) or of_json


def _split(annotation: _Annotation) -> tuple[_Annotation, tuple[Any, ...]]:
    origin: Any = get_origin(annotation)
    if origin is Annotated:
        core, *metadata = get_args(annotation)
        return core, tuple(metadata)
    return annotation, ()


def _join(core: _Annotation, metadata: Sequence[Any]) -> _Annotation:
    return Annotated[(core, *metadata)] if metadata else core


def _without_none(annotation: _Annotation) -> _Annotation:
    core, metadata = _split(annotation)
    if get_origin(core) not in {Union, UnionType}:
        return annotation
    kept = tuple(arg for arg in get_args(core) if arg is not NoneType)
    return _join(Union[kept], metadata)  # noqa: UP007  # built from values


def _same(core: _Annotation, python: _Annotation) -> bool:
    """Whether the annotation says no more than the column does."""
    bare = getattr(core, "__supertype__", getattr(core, "__value__", core))
    origin: Any = get_origin(python)
    if bare is str and origin is Literal:
        return True  # An Enum of texts: `str` alone would take texts that are none of them.
    return bool(bare == python) or bare in {Any, object} or (bare is dict and python is JsonValue)


def _constraints(metadata: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for item in metadata:
        found.extend(item.metadata if isinstance(item, FieldInfo) else [item])
    return found


def _column_bounds(plain: _Plain, metadata: Iterable[Any]) -> list[Any]:
    """The column's bounds that the annotation does not already tighten: of two, Pydantic keeps only the last."""
    given = _constraints(metadata)
    lowers = [item.ge if isinstance(item, Ge) else item.gt for item in given if isinstance(item, Ge | Gt)]
    uppers = [item.le if isinstance(item, Le) else item.lt for item in given if isinstance(item, Le | Lt)]
    bounds: list[Any] = []
    if plain.lower is not None and not any(low >= plain.lower for low in lowers):
        bounds.append(Limit(ge=plain.lower))
    if plain.upper is not None and not any(high <= plain.upper for high in uppers):
        bounds.append(Limit(le=plain.upper))
    return bounds


def _column_length(plain: _Plain, metadata: Iterable[Any]) -> list[Any]:
    given = [item.max_length for item in _constraints(metadata) if isinstance(item, MaxLen)]
    if plain.max_length is None or any(length <= plain.max_length for length in given):
        return []
    return [Limit(max_length=plain.max_length)]


def _column_pattern(plain: _Plain, metadata: Iterable[Any]) -> list[Any]:
    """NUL is refused by a validator; the pattern tells clients so, unless there is a narrower one."""
    given = _constraints([*metadata, *plain.limits])
    if plain.python is not str or any(getattr(item, "pattern", None) for item in given):
        return []
    return [Limit(json_schema_extra={"pattern": _NO_NUL_PATTERN})]


def _column_example(plain: _Plain, given: _Annotation) -> list[Any]:
    """A plain value for pages to show, in place of one that they make up from bounds and patterns."""
    example = plain.example if given is None or _same(given, plain.python) else None
    if isinstance(example, str):
        example = example[: plain.max_length]
    return [] if example is None else [Limit(json_schema_extra={"examples": [example]})]


def _column_schema(plain: _Plain, metadata: Iterable[Any]) -> list[Any]:
    """The schema of a decimal, which is Pydantic's no more, so that bounds of the annotation have to be put in."""
    if plain.schema is None:
        return []
    *texts, number = plain.schema["anyOf"]
    bounded = number | _number_bounds(number, _constraints(metadata))
    return [WithJsonSchema({"anyOf": [*texts, bounded]}, mode="validation")]


def _number_bounds(number: dict[str, Any], given: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in given:
        if isinstance(item, Ge):
            found["minimum"] = max(float(item.ge), number.get("minimum", -math.inf))  # type: ignore[arg-type]  # a Decimal
        elif isinstance(item, Gt):
            found["exclusiveMinimum"] = float(item.gt)  # type: ignore[arg-type]  # a Decimal
        elif isinstance(item, Le):
            found["maximum"] = min(float(item.le), number.get("maximum", math.inf))  # type: ignore[arg-type]  # a Decimal
        elif isinstance(item, Lt):
            found["exclusiveMaximum"] = float(item.lt)  # type: ignore[arg-type]  # a Decimal
        elif isinstance(item, MultipleOf):
            found["multipleOf"] = float(item.multiple_of)  # type: ignore[arg-type]  # a Decimal
    return found


def _boolean(_type: TypeEngine[Any]) -> _Plain:
    return _Plain(bool)


def _integer(bits: int) -> Callable[[TypeEngine[Any]], _Plain]:
    whole, text = (BeforeValidator(_whole_number),), (BeforeValidator(_ascii_number),)

    def rule(type_: TypeEngine[Any]) -> _Plain:
        if getattr(type_, "unsigned", False):
            return _Plain(int, limits=whole, query_limits=text, lower=0, upper=2**bits - 1, example=1)
        least = -(2 ** (bits - 1))
        return _Plain(int, limits=whole, query_limits=text, lower=least, upper=-least - 1, example=1)

    return rule


def _whole_number(value: Any) -> Any:
    """JSON does not tell 3.0 from 3, and JSON Schema calls both an integer; beyond 2**53 a double is not exact."""
    exact = isinstance(value, float) and value.is_integer() and abs(value) <= 2**53
    return int(value) if exact else value


def _decimal(type_: Any) -> _Plain:
    if not type_.asdecimal:
        return _float(type_)
    digits, places = type_.precision, type_.scale
    shape = _decimal_shape(digits, places or 0)
    return _Plain(
        Decimal,
        limits=(
            Limit(allow_inf_nan=False),
            *shape,
            BeforeValidator(_exact_decimal),
            AfterValidator(_no_negative_zero),
        ),
        read=_decimal_read(digits, places),
        query_limits=(
            Limit(allow_inf_nan=False),
            # PostgreSQL would round to the column's places, and match rows that are not equal.
            *shape,
            AfterValidator(_bounded_exponent),
            BeforeValidator(_ascii_number),
        ),
        schema=_decimal_schema(digits, places),
    )


def _decimal_shape(digits: int | None, places: int) -> list[Any]:
    if digits == places:
        # Pydantic counts the zero before the point as a digit.
        return [Limit(gt=-1, lt=1, decimal_places=places)] if digits else []
    return [Limit(max_digits=digits, decimal_places=places)] if digits else []


def _decimal_read(digits: int | None, places: int | None) -> _Annotation:
    """Without an exponent, and with the column's places, which SQLAlchemy takes to be ten where none are stated."""
    if digits and places is not None and places <= 6:
        return Decimal  # Python writes these as they are.
    spelling = f".{places or 0}f" if digits else "f"
    return Annotated[Decimal, PlainSerializer(lambda value: format(value, spelling), return_type=str)]


def _decimal_schema(digits: int | None, places: int | None) -> dict[str, Any]:
    places = places or 0
    text: dict[str, Any] = {"type": "string", "pattern": _decimal_pattern(digits, places)}
    text["examples"] = [f"{0:.{places}f}"]
    if not digits:
        return {"anyOf": [text, {"type": "number"}]}
    step = Decimal(1).scaleb(-places)
    most = Decimal(10) ** min(digits - places, _MAX_NUMBER_DIGITS - places) - step
    number = {"type": "number", "minimum": float(-most), "maximum": float(most), "multipleOf": float(step)}
    return {"anyOf": [text, number]}


def _decimal_pattern(digits: int | None, places: int) -> str:
    """What is taken as text: zeros that change nothing do not count as digits."""
    if not digits:
        return r"^-?[0-9]+(\.[0-9]+)?$"
    whole = f"0*[0-9]{{1,{digits - places}}}" if digits > places else "0+"
    fraction = rf"\.[0-9]{{1,{places}}}0*" if places else r"\.0+"
    return f"^-?{whole}({fraction})?$"


def _exact_decimal(value: Any) -> Any:
    """JSON numbers arrive as doubles, exact to 15 digits; strict Pydantic takes no text for a Decimal in Python."""
    if isinstance(value, float):
        return _decimal_of_double(value)
    if isinstance(value, str):
        return _decimal_of_text(value)
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _decimal_of_double(value: float) -> Decimal:
    exact = Decimal(repr(value))
    if exact.is_finite() and len(exact.as_tuple().digits) > _MAX_NUMBER_DIGITS:
        raise PydanticCustomError(
            "decimal_inexact", "A number of more than 15 digits is not exact in JSON; send it as a string"
        )
    return exact


def _decimal_of_text(value: str) -> Decimal:
    # Python's own spelling is wider: spaces, underscores, exponents and the digits of every script.
    if not _DECIMAL_TEXT.fullmatch(value):
        raise PydanticCustomError("decimal_parsing", "Input should be a decimal, for example 12.50")
    return Decimal(value)


def _ascii_number(value: Any) -> Any:
    """In a query string: what JSON would take, a sign before it, and nothing of what only Python reads as a number."""
    if isinstance(value, str) and not _NUMBER_TEXT.fullmatch(value):
        raise PydanticCustomError("number_parsing", "Input should be a number")
    return value


def _no_negative_zero(value: Any) -> Any:
    return value + 0 if value == 0 else value


def _bounded_exponent(value: Decimal) -> Decimal:
    if abs(value.adjusted()) > 1000:  # beyond every database's NUMERIC
        raise PydanticCustomError("decimal_range", "Input should be within the range of a decimal column")
    return value


def _float(_type: TypeEngine[Any]) -> _Plain:
    return _Plain(
        float,
        limits=(Limit(allow_inf_nan=False), AfterValidator(_no_negative_zero)),
        query_limits=(Limit(allow_inf_nan=False), BeforeValidator(_ascii_number)),
    )


def _enum(type_: Any) -> _Plain:
    members = type_.enum_class
    if isinstance(members, type) and issubclass(members, enum.Enum):
        return _Plain(members, query_limits=(BeforeValidator(functools.partial(_value_of_text, members)),))
    return _Plain(Literal[tuple(type_.enums)])


def _value_of_text(members: type[enum.Enum], text: Any) -> Any:
    """In a query string every value is text, also that of a member which is a number."""
    return next((member.value for member in members if str(member.value) == text), text)


def _text(type_: Any) -> _Plain:
    no_nul = (AfterValidator(_without_nul),)
    return _Plain(str, limits=no_nul, query_limits=no_nul, max_length=type_.length, example="string")


def _without_nul(value: Any) -> Any:
    if isinstance(value, str) and "\x00" in value:
        raise PydanticCustomError("nul_character", "The character NUL cannot be stored")
    return value


def _uuid(type_: Any) -> _Plain:
    if type_.as_uuid:
        return _Plain(uuid.UUID)
    canonical = (Limit(pattern=_UUID_PATTERN), AfterValidator(lambda value: str(uuid.UUID(value))))
    return _Plain(str, limits=canonical, query_limits=canonical)


def _datetime(type_: Any) -> _Plain:
    if type_.timezone:
        zoned = (AfterValidator(_to_utc), BeforeValidator(_datetime_of_text))
        return _Plain(
            dt.datetime,
            limits=zoned,
            read=Annotated[dt.datetime, PlainSerializer(_as_utc, return_type=dt.datetime)],
            query_limits=zoned,
        )
    naive = (
        AfterValidator(_without_zone),
        BeforeValidator(functools.partial(_datetime_of_text, example="2026-01-31T12:00:00")),
        WithJsonSchema({"type": "string", "pattern": _NAIVE_PATTERN, "examples": ["2026-01-31T12:00:00"]}),
    )
    return _Plain(dt.datetime, limits=naive, query_limits=naive)


def _datetime_of_text(value: Any, example: str = "2026-01-31T12:00:00Z") -> Any:
    """Pydantic alone would also take "20260131" and "0": as seconds since 1970."""
    if not isinstance(value, str):
        return value
    try:
        if _DATETIME_TEXT.fullmatch(value):
            return dt.datetime.fromisoformat(value.upper())
    except ValueError:
        pass
    raise PydanticCustomError(
        "datetime_parsing", "Input should be a date and time, as in {example}", {"example": example}
    )


def _date_of_text(value: Any) -> Any:
    """Pydantic alone would also take "0" and "86400": as seconds since 1970."""
    if not isinstance(value, str):
        return value
    try:
        if _DATE_TEXT.fullmatch(value):
            return dt.date.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError("date_parsing", "Input should be a date, as in 2026-01-31")


def _to_utc(value: dt.datetime) -> dt.datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("timezone_missing", "Input should have a time zone, for example a final Z")
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        raise PydanticCustomError(
            "datetime_range", "Input should lie between the years 1 and 9999 in UTC"
        ) from None


def _as_utc(value: Any) -> Any:
    """Engines that splice did not make may lose the zone; what they stored was UTC."""
    if not isinstance(value, dt.datetime):
        return value
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def _without_zone(value: Any) -> Any:
    if value.tzinfo is not None:
        raise PydanticCustomError("timezone_unexpected", "Input should have no time zone")
    return value


def _date(_type: TypeEngine[Any]) -> _Plain:
    exact = (BeforeValidator(_date_of_text),)
    return _Plain(dt.date, limits=exact, query_limits=exact)


def _time(type_: Any) -> _Plain:
    if type_.timezone:
        zoned = (AfterValidator(_with_offset),)
        return _Plain(dt.time, limits=zoned, query_limits=zoned)
    naive = (AfterValidator(_without_zone), WithJsonSchema({"type": "string", "pattern": _TIME_PATTERN}))
    return _Plain(dt.time, limits=naive, query_limits=naive)


def _with_offset(value: dt.time) -> dt.time:
    """PostgreSQL knows offsets below 16 hours."""
    offset = value.utcoffset()
    if offset is None:
        raise PydanticCustomError("timezone_missing", "Input should have a time zone, for example a final Z")
    if abs(offset) >= dt.timedelta(hours=16):
        raise PydanticCustomError("timezone_offset", "Input should be less than 16 hours from UTC")
    return value


def _interval(_type: TypeEngine[Any]) -> _Plain:
    return _Plain(dt.timedelta, lower=_SHORTEST, upper=_LONGEST)


def _binary(type_: Any) -> _Plain:
    schema = WithJsonSchema({"type": "string", "contentEncoding": "base64", "pattern": _BASE64_PATTERN})
    decoded = BeforeValidator(_from_base64)
    return _Plain(
        bytes,
        limits=(decoded, schema),
        read=Annotated[bytes, PlainSerializer(_to_base64, return_type=str), schema],
        query_limits=(decoded, schema),
        max_length=type_.length,
    )


def _from_base64(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise PydanticCustomError("base64", "Input should be bytes in base64") from None


def _to_base64(value: Any) -> str:
    return base64.b64encode(value).decode("ascii")


def _json(_type: TypeEngine[Any]) -> _Plain:
    return _Plain(JsonValue, limits=(AfterValidator(_storable_json),))


def _storable_json(value: Any) -> Any:
    _check_json(value, _MAX_JSON_DEPTH)
    return value


def _check_json(value: Any, depth: int) -> None:
    if depth == 0:
        raise PydanticCustomError("json_depth", "JSON is nested too deeply")
    if isinstance(value, str):
        _without_nul(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("finite_number", "Input should be a finite number")
    elif isinstance(value, dict | list):
        for part in value if isinstance(value, list) else (*value, *value.values()):
            _check_json(part, depth - 1)


def _array(type_: sa.ARRAY[Any], given: _Annotation, owner: str) -> ValueType:
    core, metadata = _split(given)
    inner, depth = _items(core)
    item = value_type(type_.item_type, inner, owner)
    write, read = item.write, item.read
    for _ in range(type_.dimensions or depth or 1):
        write, read = list[write], list[read]  # type: ignore[valid-type]  # built from values
    return ValueType(write=_join(write, [*metadata, AfterValidator(_rectangular)]), read=read, query=write)


def _items(annotation: _Annotation) -> tuple[_Annotation, int]:
    """What stands inside of `list[list[…]]`, and how deep."""
    origin: Any = get_origin(annotation)
    if origin is not list:
        return (None if annotation is list else annotation), 0
    inner, depth = _items(get_args(annotation)[0])
    return inner, depth + 1


def _rectangular(value: list[Any]) -> list[Any]:
    """PostgreSQL has no rows of different lengths, and forgets those without items."""
    rows = [row for row in value if isinstance(row, list)]
    if any(not row or len(row) != len(rows[0]) for row in rows):
        raise PydanticCustomError(
            "ragged_array", "Rows of an array should have items, and all the same number of them"
        )
    for row in rows:
        _rectangular(row)
    return value


_RULES: Final[tuple[tuple[type[Any], Callable[[Any], _Plain]], ...]] = (
    (sa.Enum, _enum),
    (sa.Boolean, _boolean),
    (sa.SmallInteger, _integer(16)),
    (sa.BigInteger, _integer(64)),
    (sa.Integer, _integer(32)),
    (sa.Float, _float),
    (sa.Numeric, _decimal),
    (sa.String, _text),
    (sa.Uuid, _uuid),
    (sa.DateTime, _datetime),
    (sa.Date, _date),
    (sa.Time, _time),
    (sa.Interval, _interval),
    (sa.LargeBinary, _binary),
    (sa.JSON, _json),
)
"""First match wins, so a subclass stands before its base."""
