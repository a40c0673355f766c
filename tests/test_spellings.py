"""Bodies and filters take what their JSON schemas say, and nothing that only Python would read as a value."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from splice.values import value_type


def of(column_type: Any, spelling: str) -> TypeAdapter[Any]:
    return TypeAdapter(getattr(value_type(column_type, None, "Model.field"), spelling))


def body(column_type: Any, text: str) -> Any:
    return of(column_type, "write").validate_json(text, strict=True)


@pytest.mark.parametrize("text", ["3.0", "3", "-0.0", "9007199254740992.0"])
def test_an_integer_may_be_spelt_as_a_number(text: str):
    """JSON does not tell 3.0 from 3, and JSON Schema calls both an integer."""
    assert body(sa.BigInteger(), text) == int(float(text))


@pytest.mark.parametrize("text", ["3.5", "1e300", "9007199254740994.0", "true", '"3"', "null"])
def test_what_is_no_exact_integer_is_refused(text: str):
    """A fraction, a double too large to be exact, a Boolean and a text are no integers."""
    with pytest.raises(ValidationError):
        body(sa.BigInteger(), text)


@pytest.mark.parametrize("text", ['"1e3"', '"1_0"', '" 1"', '"+1"', '".5"', '"1."', '"١"', '"1\\n"', '"NaN"'])
def test_a_decimal_has_one_spelling(text: str):
    """Of all that Python reads as a Decimal, only digits with a point are taken, as the pattern says."""
    with pytest.raises(ValidationError):
        body(sa.Numeric(12, 2), text)


@pytest.mark.parametrize("text", ["0", "-12.5", "0012.50", "0.100", "9999999999.99"])
def test_the_pattern_of_a_decimal_says_what_is_taken(text: str):
    """What the pattern allows is taken; zeros that change nothing do not count as digits."""
    pattern = of(sa.Numeric(12, 2), "write").json_schema()["anyOf"][0]["pattern"]

    assert re.search(pattern, text)
    assert body(sa.Numeric(12, 2), f'"{text}"') == Decimal(text)


@pytest.mark.parametrize("column_type", [sa.Date(), sa.DateTime(), sa.DateTime(timezone=True)])
@pytest.mark.parametrize("text", ["0", "86400", "1700000000.5", "20260131", "2026-02-30", "2026-W05-6"])
def test_a_number_is_no_date(column_type: Any, text: str):
    """Pydantic alone takes seconds since 1970 for dates and times, in text too."""
    with pytest.raises(ValidationError):
        body(column_type, f'"{text}"')
    with pytest.raises(ValidationError):
        of(column_type, "query").validate_strings(text)


@pytest.mark.parametrize("text", ["1_0", " 1", "١", "0x1", "1e400", "Infinity", ""])
@pytest.mark.parametrize("column_type", [sa.Integer(), sa.Numeric(12, 2), sa.Float()])
def test_a_number_in_a_query_is_written_in_ascii(column_type: Any, text: str):
    """`/users/1_0` is not the address of user 10."""
    with pytest.raises(ValidationError):
        of(column_type, "query").validate_strings(text)


@pytest.mark.parametrize("text", ["0.001", "10000000000", "-4.2867e+21"])
def test_a_filter_has_the_digits_of_its_column(text: str):
    """PostgreSQL would round 0.001 to 0.00 and match rows that are not equal, and fail at what is out of range."""
    with pytest.raises(ValidationError):
        of(sa.Numeric(12, 2), "query").validate_strings(text)


@pytest.mark.parametrize("column_type", [sa.Integer(), sa.String(3), sa.Numeric(12, 2)])
def test_the_example_of_a_column_is_a_value_of_it(column_type: Any):
    """What /docs offers to send is taken."""
    adapter = of(column_type, "write")
    schema = adapter.json_schema()
    (example,) = schema.get("anyOf", [schema])[0]["examples"]

    assert adapter.validate_python(example, strict=True) is not None


@pytest.mark.parametrize("text", ["0", "0.00", "-0.5", "0.99"])
def test_zero_fits_a_column_of_places_alone(text: str):
    """The zero before the point is no digit of a Numeric(2, 2)."""
    assert body(sa.Numeric(2, 2), f'"{text}"') == Decimal(text)


@pytest.mark.parametrize(
    ("column_type", "value", "sent"),
    [
        (sa.Numeric(10, 10), Decimal("1E-10"), b'"0.0000000001"'),
        (sa.Numeric(10), Decimal("9.0000000000"), b'"9"'),
        (sa.Numeric(), Decimal("1E-7"), b'"0.0000001"'),
        (sa.Numeric(12, 2), Decimal("12.50"), b'"12.50"'),
    ],
)
def test_a_decimal_is_answered_without_an_exponent(column_type: Any, value: Decimal, sent: bytes):
    """An answer is spelt as a body has to be, with the places of the column."""
    assert of(column_type, "read").dump_json(value) == sent


def test_an_enum_of_texts_takes_no_other_text():
    """`Mapped[str]` says no more than the column does, and what is none of its texts could not be read again."""
    write = TypeAdapter(value_type(sa.Enum("small", "large"), str | None, "Model.field").write)

    assert write.validate_json('"small"', strict=True) == "small"
    with pytest.raises(ValidationError):
        write.validate_json('"SMALL"', strict=True)


UPPER = "A8098C1A-F86E-11DA-BD1A-00112444BE1E"


def test_a_uuid_that_is_text_is_spelt_alike_in_bodies_and_queries():
    """What was stored in small letters would not be found by capital ones."""
    types = sa.Uuid(as_uuid=False)

    assert body(types, f'"{UPPER}"') == of(types, "query").validate_strings(UPPER) == UPPER.lower()
    assert "[0-9a-fA-F]" in of(types, "write").json_schema()["pattern"]


@pytest.mark.parametrize("text", ["zz", "", UPPER[:-1], "\x00"])
def test_a_filter_by_a_uuid_that_is_text_takes_no_other_text(text: str):
    """It would find nothing, or fail in the database."""
    with pytest.raises(ValidationError):
        of(sa.Uuid(as_uuid=False), "query").validate_strings(text)
