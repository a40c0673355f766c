"""A plausible value for each field, and whole objects that their own models take."""

import datetime as dt
import enum
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
import sqlalchemy as sa
from annotated_types import Ge, Len
from pydantic import BaseModel, EmailStr, HttpUrl
from pydantic import Field as Limit
from pydantic_core import to_json
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import private, read_only, write_once, write_only
from splice.description import describe
from splice.examples import examples_of
from splice.schemas import Schemas
from splice.types import AsStored, Json, Moment, Number, Value
from tests import test_description, test_operators, test_plan, test_schemas
from tests.http import hostile


class Base(DeclarativeBase):
    pass


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Address(sa.TypeDecorator[str]):
    impl = sa.String
    cache_ok = True


class Person(Base):
    """Somebody with all kinds of columns."""

    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    first_name: Mapped[str] = mapped_column(sa.String(100))
    email: Mapped[EmailStr] = mapped_column(sa.String(255))
    title: Mapped[str] = mapped_column(sa.String(100))
    city: Mapped[str] = mapped_column(sa.String(3))
    country: Mapped[str] = mapped_column(sa.String(2))
    country_code: Mapped[str] = mapped_column(sa.String(2))
    phone: Mapped[str] = mapped_column(sa.String(20))
    website: Mapped[str] = mapped_column(sa.String(200))
    price: Mapped[Decimal] = mapped_column(sa.Numeric(8, 2))
    share: Mapped[Decimal] = mapped_column(sa.Numeric(3, 3))
    year: Mapped[int] = mapped_column(sa.SmallInteger)
    created_at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
    birthday: Mapped[dt.date | None]
    hour: Mapped[dt.time]
    lasts: Mapped[dt.timedelta]
    size: Mapped[Size]
    letter: Mapped[str] = mapped_column(sa.Enum("a", "b", name="letter"))
    real: Mapped[bool]
    deleted: Mapped[bool]
    token_id: Mapped[uuid.UUID]
    blob: Mapped[bytes] = mapped_column(sa.LargeBinary(2))
    extra: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    tags: Mapped[list[str]] = mapped_column(postgresql.ARRAY(sa.String(20)))
    grid: Mapped[list[list[int]]] = mapped_column(postgresql.ARRAY(sa.Integer, dimensions=2))
    camelCasePrice: Mapped[float]  # noqa: N815  # as some tables have it


class Tight(Base):
    """Limits of annotations, and validators that names do not tell of."""

    __tablename__ = "tight"
    id: Mapped[int] = mapped_column(primary_key=True)
    age: Mapped[Annotated[int, Limit(ge=100, le=110)]]
    even: Mapped[Annotated[int, Limit(multiple_of=7, gt=50)]]
    code: Mapped[Annotated[str, Limit(pattern="^[A-Z]{3}$")]] = mapped_column(sa.String(3))
    name: Mapped[Annotated[str, Len(30)]] = mapped_column(sa.String(40))
    price: Mapped[Annotated[Decimal, Ge(Decimal(100))]] = mapped_column(sa.Numeric(8, 2))
    choice: Mapped[Literal["x", "y"]] = mapped_column(sa.String(5))
    seen: Mapped[Moment] = mapped_column(AsStored(sa.DateTime))
    amount: Mapped[Number] = mapped_column(AsStored(sa.Numeric(asdecimal=False)))
    anything: Mapped[Value] = mapped_column(AsStored())
    settings: Mapped[Json] = mapped_column(AsStored(sa.JSON))
    site: Mapped[HttpUrl] = mapped_column(Address)
    unguessable: Mapped[Annotated[str, Limit(pattern="^Zq-[0-9]{12}$")]] = mapped_column(sa.String(40))


class Marked(Base):
    __tablename__ = "marked"
    code: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    pin: Mapped[str] = mapped_column(info=write_only)
    handle: Mapped[str] = mapped_column(info=write_once)
    margin: Mapped[int | None] = mapped_column(info=private)
    rank: Mapped[int] = mapped_column(info=read_only, default=3)


def models() -> Iterator[type[Any]]:
    """Every mapped class of this module, and of others that have unusual ones."""
    yield from (Person, Tight, Marked)
    for module in (test_description, test_operators, test_plan, test_schemas, hostile):
        for found in list(vars(module).values()):
            if isinstance(found, type) and hasattr(found, "__table__") and "Base" not in found.__name__:
                yield found


MODELS = tuple(dict.fromkeys(models()))
ROLES = ("Read", "Create", "Update", "Replace")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.__module__}.{model.__name__}")
@pytest.mark.parametrize("role", ROLES)
def test_the_example_of_an_object_is_one(model: type[Any], role: str):
    """A model takes its own example, and shows it in its schema."""
    schemas = Schemas(describe(model))
    made: type[BaseModel] = getattr(schemas, role)

    example = schemas.example(role)

    if example:
        made.model_validate_json(to_json(example))
        assert made.model_json_schema()["examples"] == [example]


PLAUSIBLE = {
    "id": 1,
    "name": "Ada Lovelace",
    "first_name": "Ada",
    "email": "ada@example.com",
    "title": "Notes on the Analytical Engine",
    "city": "Lon",
    "country": "UK",
    "country_code": "GB",
    "phone": "+44 20 7946 0958",
    "website": "https://example.com/ada",
    "price": "12.50",
    "share": "0.500",
    "year": 1843,
    "created_at": "2026-01-31T12:00:00Z",
    "birthday": "1815-12-10",
    "hour": "12:30:00",
    "lasts": "PT1H30M",
    "size": "small",
    "letter": "a",
    "real": True,
    "deleted": False,
    "token_id": "0b6f7a52-6a3c-4f0e-9d0a-3f2c1b7e8d94",
    "blob": "QQ==",
    "extra": {"key": "value"},
    "tags": ["tag"],
    "grid": [[1]],
    "camelCasePrice": 12.5,
}


@pytest.mark.parametrize("name", PLAUSIBLE)
def test_a_value_is_what_a_name_and_a_type_suggest(name: str):
    """Texts by the last words of the name, cut to the column; numbers and moments by their type."""
    assert examples_of(describe(Person))[name] == PLAUSIBLE[name]


def test_limits_of_the_annotation_hold():
    """Bounds, lengths, patterns and validators of one's own."""
    known = examples_of(describe(Tight))

    assert 100 <= known["age"] <= 110
    assert known["even"] % 7 == 0
    assert known["code"] == "ABC"
    assert 30 <= len(known["name"]) <= 40
    assert known["price"] == "100.00"
    assert known["choice"] == "x"
    assert known["seen"].startswith("2026-01-31")


def test_no_example_is_better_than_a_wrong_one():
    """Where nothing fits a pattern, there is no value, and no whole object that needs it."""
    schemas = Schemas(describe(Tight))

    assert "unguessable" not in examples_of(describe(Tight))
    assert [schemas.example(role) for role in ("Read", "Create", "Replace")] == [None, None, None]
    assert "examples" not in schemas.Create.model_json_schema()
    assert "examples" not in schemas.Create.model_json_schema()["properties"]["unguessable"]


def test_a_change_is_of_a_field_or_two():
    """A merge patch says only what it changes, and hardly ever a key."""
    assert Schemas(describe(Person)).example("Update") == {
        "name": "Ada Lovelace",
        "first_name": "Ada",
    }


def test_nothing_private_is_shown():
    """Each example has what its verb takes or shows, and no more."""
    schemas = Schemas(describe(Marked))

    assert set(schemas.example("Read")) == {"code", "handle", "rank"}
    assert set(schemas.example("Create")) == {"code", "pin", "handle"}
    assert set(schemas.example("Update")) == {"pin"}


def test_a_model_of_ones_own_has_its_own_examples():
    """Nothing is made up for what somebody else has written."""

    class Mine(BaseModel):
        code: str

    schemas = Schemas(describe(Marked), create=Mine)

    assert schemas.example("Create") is None
    assert "examples" not in schemas.Create.model_json_schema()
