"""Columns of SQLite that are shown as they are stored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from splice.description import describe
from splice.types import AsStored, Json, Moment, Number, Value


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    """An empty database in memory."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def table_of(type_: TypeEngine[Any]) -> sa.Table:
    return sa.Table("t", sa.MetaData(), sa.Column("x", type_))


def read_back(connection: sa.Connection, type_: TypeEngine[Any], stored: Any) -> Any:
    """What a column of a type shows of a value that another program has stored."""
    table = table_of(type_)
    table.create(connection)
    connection.exec_driver_sql("INSERT INTO t VALUES (?)", (stored,))
    return connection.execute(sa.select(table.c.x)).scalar_one()


@pytest.mark.parametrize(
    ("declared", "stored", "shown"),
    [
        (sa.DateTime, "2016-07-04", "2016-07-04"),
        (sa.DateTime, "2016-07-04 10:00:00", "2016-07-04 10:00:00"),
        (sa.DateTime, 1467590400, 1467590400),
        (sa.DateTime, "never", "never"),
        (sa.Date, "2016-07-04 10:00:00", "2016-07-04 10:00:00"),
        (sa.Time, "10:00", "10:00"),
        (sa.Numeric(10, 2), 7, Decimal("7.00")),
        (sa.Numeric(10, 2), 0.99, Decimal("0.99")),
        (sa.Numeric(10, 2), 0.999, Decimal("0.999")),
        (sa.Numeric(10, 2), "many", "many"),
        (sa.Numeric(10, 2), 9e999, Decimal("Infinity")),
        (sa.Numeric(asdecimal=False), 7, 7),
        (sa.Numeric(asdecimal=False), 2**60, 2**60),
        (sa.Numeric(asdecimal=False), 2.5, 2.5),
        (sa.Boolean, 1, True),
        (sa.Boolean, 0, False),
        (sa.Boolean, "false", "false"),
        (sa.Boolean, 7, 7),
        (sa.JSON, '{"a": [1]}', {"a": [1]}),
        (sa.JSON, "{", "{"),
        (sa.JSON, 5, 5),
        (sa.LargeBinary, b"\xff", b"\xff"),
        (sa.LargeBinary, "ä", "ä".encode()),
        (sa.LargeBinary, 5, b"5"),
        (None, "text", "text"),
        (None, 5, 5),
        (None, 2.5, 2.5),
    ],
    ids=str,
)
def test_a_value_is_shown_as_it_is_stored(connection: sa.Connection, declared: Any, stored: Any, shown: Any):
    """Nothing is lost, nothing is made up, and nothing stops the reading."""
    found = read_back(connection, AsStored(declared), stored)

    assert (found, type(found), str(found)) == (shown, type(shown), str(shown))


@pytest.mark.parametrize("declared", [sa.DateTime, sa.Numeric(10, 2), sa.Boolean, sa.JSON, None], ids=str)
def test_bytes_where_none_were_declared_are_base64(connection: sa.Connection, declared: Any):
    """JSON has no bytes."""
    assert read_back(connection, AsStored(declared), b"\xff\x00") == "/wA="


@pytest.mark.parametrize("declared", [sa.DateTime, sa.Numeric(10, 2), sa.LargeBinary, sa.JSON, None], ids=str)
def test_nothing_is_shown_as_nothing(connection: sa.Connection, declared: Any):
    """NULL has no type."""
    assert read_back(connection, AsStored(declared), None) is None


@pytest.mark.parametrize(
    ("declared", "written", "stored"),
    [
        (sa.DateTime, "2016-07-04T10:00", "2016-07-04T10:00"),
        (sa.Numeric(10, 2), Decimal("0.99"), 0.99),
        (sa.Numeric(asdecimal=False), 2**60, 2**60),
        (sa.Boolean, True, 1),
        (sa.JSON, {"a": 1}, '{"a": 1}'),
        (sa.LargeBinary, b"\xff", b"\xff"),
        (None, "5", "5"),
    ],
    ids=str,
)
def test_a_value_is_stored_as_the_declared_type_has_it(
    connection: sa.Connection, declared: Any, written: Any, stored: Any
):
    """Other programs find what they would have written themselves."""
    table = table_of(AsStored(declared))
    table.create(connection)

    connection.execute(table.insert().values(x=written))

    assert connection.exec_driver_sql("SELECT x FROM t").scalar_one() == stored


@pytest.mark.parametrize("stored", ["2016-07-04", "2016-07-04 10:00:00", "2016-07-04T10:00:00.123"])
def test_a_moment_is_found_by_what_is_shown_of_it(connection: sa.Connection, stored: str):
    """Whatever form a program has chosen, a filter takes the same one."""
    table = table_of(AsStored(sa.DateTime))
    table.create(connection)
    connection.exec_driver_sql("INSERT INTO t VALUES (?)", (stored,))

    assert connection.execute(sa.select(table).where(table.c.x == stored)).all() == [(stored,)]


@pytest.mark.parametrize(
    ("declared", "ddl"),
    [
        (sa.TIMESTAMP, "TIMESTAMP"),
        (sa.Numeric(10, 2), "NUMERIC(10, 2)"),
        (sa.LargeBinary, "BLOB"),
        (None, ""),
    ],
    ids=str,
)
def test_the_table_states_the_declared_type(declared: Any, ddl: str):
    """A table that is made from the model is the one that the model was made from."""
    assert AsStored(declared).compile(dialect=sa.create_engine("sqlite://").dialect) == ddl


def test_a_moment_can_be_written_into_a_statement():
    """Statements that are printed have their values in them."""
    table = table_of(AsStored(sa.DateTime))
    statement = sa.select(table.c.x).where(table.c.x == "it's")

    text = str(statement.compile(sa.create_engine("sqlite://"), compile_kwargs={"literal_binds": True}))

    assert text.endswith("t.x = 'it''s'")


def test_statements_are_compiled_once():
    """Two columns of one declared type are the same to SQLAlchemy's cache, those of different types are not."""
    keys = [
        AsStored(declared)._static_cache_key for declared in (sa.Numeric(10, 2), sa.Numeric(10, 2), sa.Date())
    ]

    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    "text", ["2016-07-04", "2016-07-04 10:00", "2016-07-04T10:00:00.5Z", "10:00:00", "1467590400", "-1.5"]
)
def test_a_moment_is_a_date_a_time_or_a_number(text: str):
    """All that SQLite's own functions take for one."""
    assert TypeAdapter(Moment).validate_python(text) == text


@pytest.mark.parametrize(
    "text", ["", "never", "2016-02-30", "2016-07-04 25:00", "20160704T", "2016-07-04\x00"]
)
def test_what_is_no_moment_is_refused(text: str):
    """Nobody can store a date that does not exist through the API."""
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_python(text)


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("2.5", 2.5), ("007", "007"), ("x", "x"), ("nan", "nan")]
)
def test_text_of_a_query_is_a_number_where_it_is_written_like_one(text: str, value: Any):
    """A column without a type compares 5 and '5' as different."""
    found = TypeAdapter(Value).validate_strings(text)

    assert (found, type(found)) == (value, type(value))


def test_text_in_a_body_stays_text():
    """JSON tells a number from a text that looks like one."""
    assert TypeAdapter(Value).validate_json('"5"', strict=True) == "5"


def test_text_in_a_path_is_a_number_where_it_is_written_like_one():
    """FastAPI reads the part of a path as a Python value; a field of a model stays what it is."""

    class Body(BaseModel):
        value: Value

    assert TypeAdapter(Value).validate_python("5") == 5
    assert Body(value="5").value == "5"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, float("inf")])
def test_a_number_fits_into_sqlite(number: float):
    """The driver would refuse it, or store something else."""
    with pytest.raises(ValidationError):
        TypeAdapter(Number).validate_python(number)


class Base(DeclarativeBase):
    """What the models of this module share."""


class Sale(Base):
    """A row as a generated model has it."""

    __tablename__ = "sales"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Moment] = mapped_column(AsStored(sa.DateTime))
    set_at: Mapped[Moment | None] = mapped_column(AsStored(sa.DateTime), server_default=sa.func.now())
    total: Mapped[Decimal | None] = mapped_column(AsStored(sa.Numeric(10, 2)))
    rest: Mapped[Json] = mapped_column(AsStored(sa.JSON), nullable=False)


@pytest.mark.parametrize(("name", "nullable"), [("at", False), ("total", True), ("rest", False)])
def test_annotations_say_what_can_be_missing(name: str, nullable: bool):
    """SQLAlchemy reads the aliases as it reads plain types."""
    assert describe(Sale).fields[name].nullable is nullable


def test_a_moment_that_the_server_sets_is_its_own():
    """A time with a default of the database's is read only, as on every other database."""
    fields = describe(Sale).fields

    assert (fields["at"].creatable, fields["set_at"].creatable) == (True, False)


def test_a_limit_of_the_declared_type_holds_for_what_is_written():
    """What is stored may be anything; what is sent may not."""
    with pytest.raises(ValidationError):
        TypeAdapter(describe(Sale).types["total"].write).validate_python(Decimal("123456789.00"))


def test_dates_are_no_longer_text_once_the_type_is_plain(connection: sa.Connection):
    """`AsStored` can be taken off when all rows are known to be well-formed."""
    assert read_back(connection, sa.DateTime(), "2016-07-04 10:00:00") == dt.datetime(2016, 7, 4, 10)


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("2.5", 2.5), (str(2**63 - 1), 2**63 - 1)])
def test_a_number_of_a_query_is_the_one_that_is_written(text: str, value: float):
    """Digits alone are an integer."""
    found = TypeAdapter(Number).validate_strings(text)

    assert (found, type(found)) == (value, type(value))
