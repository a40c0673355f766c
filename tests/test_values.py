"""Column types as Pydantic types that hold exactly their values."""

from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    create_model,
)
from sqlalchemy.dialects import mysql, postgresql

from splice.errors import SetupError
from splice.values import value_type


class Mood(enum.Enum):
    """An enum whose names differ from its values."""

    GOOD = "good"
    BAD = "bad"


def body_of(type_: Any, annotation: Any = None) -> type[BaseModel]:
    """A strict model with one field of the column's type, as bodies are read."""
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    return create_model("Body", __config__=config, x=(value_type(type_, annotation, "Row.x").write, ...))


def read(type_: Any, text: str, annotation: Any = None) -> Any:
    """The value of a JSON text in a column of this type."""
    return body_of(type_, annotation).model_validate_json(f'{{"x":{text}}}').x


def codes(type_: Any, text: str, annotation: Any = None) -> list[str]:
    """What is wrong with a JSON text in a column of this type."""
    with pytest.raises(ValidationError) as caught:
        read(type_, text, annotation)
    return [error["type"] for error in caught.value.errors()]


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (sa.String(3), '"añb"', "añb"),
        (sa.Text(), '""', ""),
        (sa.Integer(), "-2147483648", -(2**31)),
        (sa.SmallInteger(), "32767", 2**15 - 1),
        (sa.BigInteger(), "9223372036854775807", 2**63 - 1),
        (mysql.INTEGER(unsigned=True), "4294967295", 2**32 - 1),
        (sa.Float(), "3", 3.0),
        (sa.Numeric(12, 2), '"9999999999.99"', Decimal("9999999999.99")),
        (sa.Numeric(12, 2), "1.5", Decimal("1.5")),
        (sa.Numeric(12, 2), '"-0.00"', Decimal("0.00")),
        (sa.Boolean(), "true", True),
        (sa.Date(), '"2026-02-28"', dt.date(2026, 2, 28)),
        (sa.DateTime(), '"2026-02-28T10:00:00.5"', dt.datetime(2026, 2, 28, 10, 0, 0, 500_000)),
        (
            sa.DateTime(timezone=True),
            '"2026-02-28T01:00:00+02:00"',
            dt.datetime(2026, 2, 27, 23, tzinfo=dt.UTC),
        ),
        (sa.Time(), '"23:59:59"', dt.time(23, 59, 59)),
        (sa.Interval(), '"P1DT2H"', dt.timedelta(days=1, hours=2)),
        (sa.Enum(Mood), '"good"', Mood.GOOD),
        (sa.Enum("a", "b"), '"b"', "b"),
        (
            sa.Uuid(),
            '"12345678-1234-5678-1234-567812345678"',
            uuid.UUID("12345678-1234-5678-1234-567812345678"),
        ),
        (
            sa.Uuid(as_uuid=False),
            '"12345678-1234-5678-1234-567812345678"',
            "12345678-1234-5678-1234-567812345678",
        ),
        (sa.LargeBinary(2), '"aGk="', b"hi"),
        (sa.JSON(), '{"a":[1,null,{"b":true}]}', {"a": [1, None, {"b": True}]}),
        (postgresql.JSONB(), "[1.5]", [1.5]),
        (sa.ARRAY(sa.String(2)), '["ab","c"]', ["ab", "c"]),
        (sa.ARRAY(sa.Integer(), dimensions=2), "[[1],[2]]", [[1], [2]]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_values_that_fit(type_, text, value):
    """A value within its column's limits is taken as it is, and as its own type."""
    found = read(type_, text)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (sa.String(3), '"abcd"'),
        (sa.String(3), "1"),
        (sa.String(3), r'"a\u0000"'),
        (sa.Integer(), "2147483648"),
        (sa.Integer(), '"3"'),
        (sa.Integer(), "true"),
        (sa.Integer(), "1.5"),
        (sa.SmallInteger(), "32768"),
        (sa.BigInteger(), "9223372036854775808"),
        (mysql.INTEGER(unsigned=True), "-1"),
        (sa.Float(), "1e400"),
        (sa.Float(), "NaN"),
        (sa.Float(), '"1.5"'),
        (sa.Numeric(12, 2), '"NaN"'),
        (sa.Numeric(12, 2), '"Infinity"'),
        (sa.Numeric(12, 2), '"1E+999999"'),
        (sa.Numeric(12, 2), '"0.001"'),
        (sa.Numeric(12, 2), '"10000000000"'),
        (sa.Numeric(12, 2), "0.30000000000000004"),
        (sa.Numeric(12, 2), "1e400"),
        (sa.Numeric(12, 2), "true"),
        (sa.Numeric(12, 2), '"1_0"'),
        (sa.Boolean(), "1"),
        (sa.Boolean(), '"true"'),
        (sa.Date(), '"2026-02-30"'),
        (sa.Date(), "0"),
        (sa.DateTime(), '"2026-02-28T10:00:00Z"'),
        (sa.DateTime(timezone=True), '"2026-02-28T10:00:00"'),
        (sa.DateTime(timezone=True), '"0001-01-01T00:00:00+14:00"'),
        (sa.Time(), '"10:00:00+01:00"'),
        (sa.Interval(), '"P999999999D"'),
        (sa.Enum(Mood), '"GOOD"'),
        (sa.Enum("a", "b"), '"c"'),
        (sa.Uuid(), '"x"'),
        (sa.LargeBinary(2), '"aGlo"'),
        (sa.LargeBinary(2), '"a"'),
        (sa.LargeBinary(2), '"é"'),
        (sa.JSON(), "NaN"),
        (sa.JSON(), '{"a":[1e400]}'),
        (sa.JSON(), r'{"a\u0000":1}'),
        (sa.JSON(), "[" * 100 + "]" * 100),
        (sa.ARRAY(sa.String(2)), '["abc"]'),
        (sa.ARRAY(sa.String(2)), "[null]"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_values_that_do_not_fit(type_, text):
    """A value beyond its column's limits is refused before any database sees it."""
    assert codes(type_, text)


@pytest.mark.parametrize(
    ("type_", "annotation", "good", "bad"),
    [
        (sa.String(50), EmailStr, '"ada@example.org"', '"ada"'),
        (sa.String(5), Annotated[str, Field(min_length=2)], '"ab"', '"a"'),
        (sa.String(5), Annotated[str, Field(min_length=2)], '"abcde"', '"abcdef"'),
        (sa.String(5), Annotated[str, Field(max_length=3)], '"abc"', '"abcd"'),
        (sa.String(5), Annotated[str, Field(max_length=9)], '"abcde"', '"abcdef"'),
        (sa.String(5), Annotated[str, Field(pattern="^a")], '"ab"', '"ba"'),
        (sa.String(5), Literal["a", "b"], '"a"', '"c"'),
        (sa.Integer(), Annotated[int, Field(ge=0)], "0", "-1"),
        (sa.Integer(), Annotated[int, Field(gt=0)] | None, "1", "0"),
        (sa.Integer(), Annotated[int, Field(le=10**12)], "5", "2147483648"),
        (sa.Integer(), Annotated[int, Field(ge=-(10**12))], "5", "-2147483649"),
        (sa.Numeric(5, 2), Annotated[Decimal, Field(ge=0)], '"0.50"', '"-0.50"'),
        (sa.JSON(), dict[str, int], '{"a":1}', '{"a":"b"}'),
    ],
    ids=str,
)
def test_the_annotation_is_kept_and_tightened(type_, annotation, good, bad):
    """Of the annotation's limits and the column's, the tighter one holds."""
    read(type_, good, annotation)

    assert codes(type_, bad, annotation)


class Level(enum.Enum):
    """An enum of numbers."""

    LOW = 1
    HIGH = 2


@pytest.mark.parametrize(("members", "text", "member"), [(Level, "2", Level.HIGH), (Mood, "good", Mood.GOOD)])
def test_a_member_is_filtered_by_its_value(members, text, member):
    """In a query string the value is text, whatever it is in JSON."""
    adapter = TypeAdapter(value_type(sa.Enum(members), None, "Row.x").query)

    assert adapter.validate_strings(text) is member
    with pytest.raises(ValidationError):
        adapter.validate_strings("other")


def test_the_schema_shows_the_tighter_bound():
    """Clients read in OpenAPI what is enforced."""
    schema = body_of(sa.Integer(), Annotated[int, Field(ge=0)]).model_json_schema()["properties"]["x"]

    assert (schema["minimum"], schema["maximum"]) == (0, 2**31 - 1)


class Point(sa.types.UserDefinedType[Any]):
    """A type that nobody else knows."""


class Lower(sa.types.TypeDecorator[str]):
    """Text in small letters."""

    impl = sa.String
    cache_ok = True


@pytest.mark.parametrize(
    "type_", [Point(), postgresql.TSVECTOR(), mysql.SET("a", "b"), sa.types.NullType(), Lower(9)]
)
def test_a_type_without_known_values_stops_the_start(type_):
    """Never a silent Any: the message names the field and the fix."""
    with pytest.raises(SetupError, match=r"Row\.x .*Mapped\["):
        value_type(type_, None, "Row.x")


class Cents(sa.types.TypeDecorator[Decimal]):
    """An amount in hundredths."""

    impl = sa.Integer
    cache_ok = True


class Sealed(sa.types.TypeDecorator[bytes]):
    """Bytes that are stored otherwise."""

    impl = sa.LargeBinary(2)
    cache_ok = True


class Moment(sa.types.TypeDecorator[dt.datetime]):
    """The recipe of SQLAlchemy's documentation: UTC in a column without a zone."""

    impl = sa.DateTime
    cache_ok = True


class Twice(sa.types.TypeDecorator[str]):
    """A decorator of a decorator."""

    impl = Lower(3)
    cache_ok = True


class Documents(sa.types.TypeDecorator[Any]):
    """Documents of one kind."""

    impl = sa.JSON
    cache_ok = True


UserName = NewType("UserName", str)


@pytest.mark.parametrize(
    ("type_", "annotation", "good", "bad"),
    [
        (Lower(3), str, '"Ada"', '"abcd"'),
        (Lower(3), str | None, '"Ada"', r'"a\u0000"'),
        (Lower(3), Annotated[str, Field(min_length=2)], '"Ada"', '"abcd"'),
        (Lower(3), UserName, '"Ada"', '"abcd"'),
        (Lower(3), Literal["a", "abcd"], '"a"', '"abcd"'),
        (Lower(9), EmailStr, '"a@b.org"', '"ada@b.org.uk"'),
        (Twice(), str, '"Ada"', '"abcd"'),
        (Documents(), JsonValue, '{"a":1}', r'{"a":"\u0000"}'),
        (Documents(), dict[str, Any], '{"a":1}', r'{"a":"\u0000"}'),
        (Sealed(), bytes, '"aGk="', '"aGlo"'),
    ],
    ids=str,
)
def test_a_decorator_has_the_limits_of_what_is_below(type_, annotation, good, bad):
    """What it converts from one type to the same cannot be longer than its column."""
    read(type_, good, annotation)

    assert codes(type_, bad, annotation)


@pytest.mark.parametrize(
    ("type_", "annotation", "text", "value"),
    [
        (Cents(), Decimal, '"12.50"', Decimal("12.50")),
        (Lower(3), Mood, '"good"', Mood.GOOD),
        (Moment(), dt.datetime, '"2026-01-01T00:00:00Z"', dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    ],
    ids=str,
)
def test_a_decorator_that_converts_is_its_annotation(type_, annotation, text, value):
    """Limits of another type say nothing about these values, and a decorator may be there to change zones."""
    assert read(type_, text, annotation) == value


@pytest.mark.parametrize("annotation", [None, Any, object, Any | None, Annotated[Any, Field(title="x")]])
@pytest.mark.parametrize("type_", [Lower(3), Documents()])
def test_a_decorator_of_anything_stops_the_start(type_, annotation):
    """`Any` would take every value, and the first that does not fit would be an error of the server."""
    with pytest.raises(SetupError, match=r"`x: Mapped\[<type>\] = mapped_column"):
        value_type(type_, annotation, "Row.x")


@pytest.mark.parametrize("annotation", [None, Any, dict[str, int]])
def test_pickles_stop_the_start(annotation):
    """Their values are no JSON."""
    with pytest.raises(SetupError, match=r"Row\.x is a PickleType.*sa\.JSON"):
        value_type(sa.PickleType(), annotation, "Row.x")


@pytest.mark.parametrize("annotation", [Any, object, Any | None, None])
def test_any_is_a_document_in_a_json_column(annotation):
    """There the column knows its values."""
    assert read(sa.JSON(), '{"a":[1]}', annotation) == {"a": [1]}
    assert codes(sa.JSON(), r'"\u0000"', annotation)


@pytest.mark.parametrize("text", ['"12:00"', '"12:00:00+16:00"', '"12:00:00-23:59"'])
def test_a_zoned_time_names_an_offset_that_can_be_stored(text):
    """PostgreSQL would put the zone of its session where none is named, and knows offsets below 16 hours."""
    assert read(sa.Time(timezone=True), '"12:00:00+15:59"').utcoffset() == dt.timedelta(hours=15, minutes=59)
    assert codes(sa.Time(timezone=True), text)


@pytest.mark.parametrize(
    ("annotation", "bounds"),
    [
        (Annotated[Decimal, Field(ge=0)], {"minimum": 0, "maximum": 999.99}),
        (
            Annotated[Decimal, Field(gt=0, lt=Decimal("5.5"))],
            {"exclusiveMinimum": 0, "exclusiveMaximum": 5.5},
        ),
        (Annotated[Decimal, Field(le=10)] | None, {"minimum": -999.99, "maximum": 10}),
        (Annotated[Decimal, Field(ge=-5000, le=5000)], {"minimum": -999.99, "maximum": 999.99}),
        (Annotated[Decimal, Field(multiple_of=Decimal("0.25"))], {"multipleOf": 0.25}),
    ],
    ids=str,
)
def test_the_schema_of_a_decimal_shows_the_bounds_of_its_annotation(annotation, bounds):
    """They are enforced, so clients may know them."""
    schema = body_of(sa.Numeric(5, 2), annotation).model_json_schema()["properties"]["x"]
    number = schema["anyOf"][1]

    assert number["type"] == "number"
    assert bounds.items() <= number.items()


@pytest.mark.parametrize(
    ("type_", "stored", "shown"),
    [
        (sa.DateTime(timezone=True), dt.datetime(2026, 1, 1, tzinfo=dt.UTC), '"2026-01-01T00:00:00Z"'),
        (sa.DateTime(timezone=True), dt.datetime(2026, 1, 1), '"2026-01-01T00:00:00Z"'),
        (
            sa.DateTime(timezone=True),
            dt.datetime(2026, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            '"2026-01-01T00:00:00Z"',
        ),
        (sa.DateTime(), dt.datetime(2026, 1, 1, 0, 0, 0, 5), '"2026-01-01T00:00:00.000005"'),
        (sa.Numeric(12, 2), Decimal("1.50"), '"1.50"'),
        (sa.LargeBinary(), b"\xff\xfe", '"//4="'),
        (sa.Interval(), dt.timedelta(days=1, microseconds=1), '"P1DT0.000001S"'),
        (sa.Enum(Mood), Mood.BAD, '"bad"'),
    ],
    ids=str,
)
def test_how_values_are_written(type_, stored, shown):
    """Decimals are strings, zoned times are UTC with a Z, bytes are base64."""
    assert TypeAdapter(value_type(type_, None, "Row.x").read).dump_json(stored).decode() == shown


@given(st.decimals(-(10**10) + 1, 10**10 - 1, places=2))
def test_decimals_come_back_as_sent(value):
    """Text of a fitting decimal is the same decimal."""
    assert read(sa.Numeric(12, 2), json.dumps(f"{value:f}")) == value


@given(st.integers())
def test_integers_are_taken_within_their_range_alone(value):
    """The range of the column, to the last value."""
    fits = -(2**31) <= value < 2**31

    assert fits == _accepts(sa.Integer(), str(value))


@given(st.text(max_size=8))
def test_text_is_taken_up_to_its_length(value):
    """The length is in characters, as in every database; NUL is never taken."""
    fits = len(value) <= 5 and "\x00" not in value

    assert fits == _accepts(sa.String(5), json.dumps(value, ensure_ascii=False))


@given(st.binary(max_size=9))
def test_bytes_come_back_as_sent(value):
    """Base64 in, base64 out."""
    types = value_type(sa.LargeBinary(), None, "Row.x")
    shown = TypeAdapter(types.read).dump_json(value).decode()

    assert read(sa.LargeBinary(), shown) == value


def _accepts(type_: Any, text: str) -> bool:
    try:
        read(type_, text)
    except ValidationError:
        return False
    return True
