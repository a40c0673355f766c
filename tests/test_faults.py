"""What drivers say, read without a database: `tests/databases/test_violations.py` provokes the rest for real."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncmy.errors
import asyncpg
import psycopg
import psycopg2
import pymysql
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from splice.description import describe
from splice.drivers import Fault, classify, is_driver, is_of_driver
from splice.errors import (
    CheckFailed,
    CommitUnknown,
    Conflict,
    DatabaseUnavailable,
    Invalid,
    NotUnique,
    PreconditionFailed,
    ReferenceMissing,
    StillReferenced,
    TooBusy,
)
from splice.faults import attempts_at, foreign_keys, translate

LONG = "a_rule_whose_name_is_much_longer_than_the_sixty_three_bytes_that_postgresql_keeps"
LONG_TABLE = "an_exceedingly_long_table_name_for_something_quite_ordinary"


class Base(DeclarativeBase):
    pass


class Room(Base):
    __tablename__ = "rooms"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column("title", unique=True)
    floor: Mapped[int]
    wing: Mapped[str]
    low: Mapped[int] = mapped_column()
    high: Mapped[int] = mapped_column()
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("owners.id"))
    tenant_id: Mapped[int] = mapped_column(sa.ForeignKey("tenants.id"))
    api_token: Mapped[str] = mapped_column(unique=True)
    __table_args__ = (
        sa.UniqueConstraint("floor", "wing"),
        sa.CheckConstraint(low < high),
        sa.CheckConstraint("floor < 90", name=LONG),
        ExcludeConstraint(("floor", "&&"), name="no_overlap"),
    )


class Hall(Base):
    __tablename__ = "halls"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(unique=True)


class Owner(Base):
    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True)


class Tenant(Base):
    """Known to the models, but not to the API."""

    __tablename__ = "tenants"
    id: Mapped[int] = mapped_column(primary_key=True)


class Wordy(Base):
    __tablename__ = LONG_TABLE
    id: Mapped[int] = mapped_column(primary_key=True)
    an_exceedingly_long_column_name: Mapped[str] = mapped_column(unique=True)


TABLES = {model.__tablename__: describe(model) for model in (Room, Owner, Wordy)}


def from_asyncpg(state: str, message: str = "said", **names: str) -> asyncpg.PostgresError:
    letters = {"constraint_name": "n", "table_name": "t", "column_name": "c"}
    given_names = {letters[name]: value for name, value in names.items()}
    error: asyncpg.PostgresError = asyncpg.PostgresError.new({"C": state, "M": message, **given_names})
    return error


def from_psycopg(state: str) -> psycopg.Error:
    return psycopg.errors.lookup(state)("said")


def wrapped(error: Exception, statement: str | None = None) -> sa.exc.DBAPIError:
    return sa.exc.DBAPIError(statement, None, error)


def raised(act: Callable[[], Any]) -> Exception:
    """The exception that an act really ends in."""
    with pytest.raises(Exception) as caught:
        act()
    return caught.value


def sqlite_error(*statements: str) -> Exception:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with contextlib.closing(connection):
        connection.execute("PRAGMA foreign_keys = ON")
        return raised(lambda: [connection.execute(statement) for statement in statements])


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("23505", "unique"),
        ("23503", "foreign_key"),
        ("23502", "not_null"),
        ("23514", "check"),
        ("23P01", "exclusion"),
        ("22001", "too_long"),
        ("22003", "out_of_range"),
        ("22P02", "invalid_value"),
        ("40001", "serialization"),
        ("40P01", "serialization"),
        ("55P03", "lock_timeout"),
        ("57014", "statement_timeout"),
        ("53300", "pool_exhausted"),
        ("08006", "connection_lost"),
        ("57P01", "connection_lost"),
        ("42601", "unknown"),
        ("0A000", "unknown"),
    ],
)
def test_a_sqlstate_decides_on_every_postgresql_driver(state: str, kind: str):
    """The five characters decide, whichever driver bears them and whether SQLAlchemy has wrapped it or not."""
    for error in (from_asyncpg(state), from_psycopg(state)):
        assert classify(error).kind == kind
        assert classify(wrapped(error)).kind == kind


@pytest.mark.parametrize("errors", [pymysql.err, asyncmy.errors])
@pytest.mark.parametrize(
    ("number", "text", "fault"),
    [
        (1062, "Duplicate entry 'x' for key 'email'", Fault("unique", "email")),
        (1062, "Duplicate entry 'x' for key 'users.email'", Fault("unique", "email", "users")),
        (1062, "Duplicate entry 'it's for key 'id'' for key 'email'", Fault("unique", "email")),
        (3819, "Check constraint 'adult' is violated.", Fault("check", "adult")),
        (4025, "CONSTRAINT `adult` failed for `t`.`users`", Fault("check", "adult", "users")),
        (4025, "CONSTRAINT `users.age` failed for `t`.`users`", Fault("check", None, "users", ("age",))),
        (1048, "Column 'email' cannot be null", Fault("not_null", columns=("email",))),
        (1406, "Data too long for column 'email' at row 1", Fault("too_long", columns=("email",))),
        (1292, "Truncated incorrect INTEGER value: 'column 'id' at row 1'", Fault("invalid_value")),
        (1213, "Deadlock found", Fault("serialization")),
        (1205, "Lock wait timeout exceeded", Fault("lock_timeout")),
        (3024, "maximum statement execution time exceeded", Fault("statement_timeout")),
        (1836, "Running in read-only mode", Fault("read_only")),
        (2006, "MySQL server has gone away", Fault("connection_lost")),
        (1064, "You have an error in your SQL syntax", Fault("unknown")),
    ],
)
def test_an_error_number_decides_on_mariadb(errors: Any, number: int, text: str, fault: Fault):
    """Numbers decide; names are read from the end of the text, where no client can write."""
    assert classify(errors.OperationalError(number, text)) == fault


def test_mysql_foreign_keys_tell_the_side():
    """1451 is about the row referred to, 1452 about the row that refers."""
    text = "fails (`t`.`posts`, CONSTRAINT `posts_ibfk_1` FOREIGN KEY (`a`, `b`) REFERENCES `users` (`id`))"
    expected = Fault("foreign_key", "posts_ibfk_1", "posts", ("a", "b"), "parent")

    assert classify(pymysql.err.IntegrityError(1451, text)) == expected
    assert classify(pymysql.err.IntegrityError(1452, text)).side == "child"


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        (["create table t (a unique)", "insert into t values (1), (1)"], Fault("unique", None, "t", ("a",))),
        (
            ["create table t (a, b, unique (a, b))", "insert into t values (1, 1), (1, 1)"],
            Fault("unique", None, "t", ("a", "b")),
        ),
        (
            ["create table t (a)", "create unique index i on t (lower(a))", "insert into t values (1), (1)"],
            Fault("unique", "i"),
        ),
        (
            ["create table t (a not null)", "insert into t values (null)"],
            Fault("not_null", None, "t", ("a",)),
        ),
        (["create table t (a check (a > 0))", "insert into t values (0)"], Fault("check", "a > 0")),
        (
            ["create table t (a constraint positive check (a > 0))", "insert into t values (0)"],
            Fault("check", "positive"),
        ),
        (
            ["create table t (a integer) strict", "insert into t values ('x')"],
            Fault("invalid_value", None, "t", ("a",)),
        ),
        (["create table t (a)", "insert into t values (zeroblob(2000000000))"], Fault("too_long")),
        (["create table t (a)", "pragma query_only=on", "delete from t"], Fault("read_only")),
        (["selec 1"], Fault("unknown")),
    ],
)
def test_sqlite_is_read_by_code_and_text(statements: list[str], fault: Fault):
    """SQLite gives a code and a text; the names stand in the text alone."""
    assert classify(sqlite_error(*statements)) == fault


def test_sqlite_restrict_is_a_foreign_key():
    """ON DELETE RESTRICT comes under the code of a trigger, and is a foreign key all the same."""
    tables = ("create table p (id primary key)", "create table c (p references p on delete restrict)")
    rows = ("insert into p values (1)", "insert into c values (1)", "delete from p")

    assert classify(sqlite_error(*tables, *rows)) == Fault("foreign_key", side="parent")


def test_a_locked_sqlite_file_is_a_lock_timeout(tmp_path: Path):
    """SQLITE_BUSY at BEGIN is a lock that did not come free."""
    with contextlib.ExitStack() as ends:
        one, two = (
            ends.enter_context(
                contextlib.closing(sqlite3.connect(tmp_path / "f.db", timeout=0, isolation_level=None))
            )
            for _ in range(2)
        )
        one.execute("begin immediate")
        error = raised(lambda: two.execute("begin immediate"))

    assert classify(error) == Fault("lock_timeout")


@pytest.mark.parametrize(
    "error",
    [
        wrapped(sqlite3.ProgrammingError("Cannot operate on a closed database.")),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("unexpected state"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        psycopg.OperationalError("the connection is closed"),
        psycopg2.InterfaceError("connection already closed"),
        pymysql.err.InterfaceError(0, ""),
        ConnectionRefusedError(111, "Connect call failed"),
        TimeoutError(),
        sa.exc.DBAPIError(None, None, ValueError("?"), connection_invalidated=True),
    ],
)
def test_a_lost_connection_is_known_by_many_names(error: Exception):
    """Each driver, and the operating system, has words of its own for a connection that is gone."""
    assert classify(error) == Fault("connection_lost")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u@127.0.0.1:1/d",
        "postgresql+psycopg2://u@127.0.0.1:1/d",
        "mariadb+pymysql://u@127.0.0.1:1/d",
        "sqlite:////nowhere/at/all.db",
    ],
)
def test_a_server_that_is_not_there_is_a_lost_connection(url: str):
    """Connecting in vain is the same as losing the connection."""
    engine = sa.create_engine(url)

    assert classify(raised(engine.connect)) == Fault("connection_lost")


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "mariadb+asyncmy"])
async def test_an_async_driver_that_finds_no_server_has_lost_the_connection(driver: str):
    """An error of the operating system comes through asyncpg as it is; the frames tell whose it is."""
    engine = create_async_engine(f"{driver}://u@127.0.0.1:1/d")
    with pytest.raises((OSError, sa.exc.DBAPIError)) as caught:
        async with engine.connect():
            pass

    assert classify(caught.value) == Fault("connection_lost")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        KeyError(1062),
        raised(lambda: Path("/nowhere/at/all").read_text()),
        raised(lambda: shutil.copy("/nowhere/at/all", "/nowhere")),
        sa.exc.InvalidRequestError("x"),
    ],
)
def test_errors_of_other_origin_are_left_alone(error: Exception):
    """What a hook raises by itself is not the database's, be it an OSError."""
    assert classify(error) is None
    assert translate(error, TABLES) is None


def test_an_error_raised_because_of_a_database_error_is_the_users():
    """Whoever catches a driver's error and raises their own means their own."""
    error = ValueError("mine")
    error.__cause__ = wrapped(from_asyncpg("23505"))

    assert classify(error) is None


@pytest.mark.parametrize(
    "module", ["psycopg_binary._psycopg", "psycopg_c", "pyodbc", "mysql.connector.errors", "sqlite3"]
)
def test_every_driver_is_known_as_one(module: str):
    """What is read, and what must not be quoted, are the errors of the same packages: a user's own driver too."""
    error = type("Error", (Exception,), {"__module__": module})("said")

    assert is_driver(module)
    assert is_of_driver(error)
    assert classify(error) == Fault("unknown")


def test_a_pool_without_connections_is_exhausted():
    """SQLAlchemy's own time limit on its pool."""
    engine = sa.create_engine(
        "sqlite://", poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0
    )
    with engine.connect():
        error = raised(engine.connect)
    engine.dispose()

    assert classify(error) == Fault("pool_exhausted")


def test_a_row_changed_by_another_is_stale():
    """The ORM's version counter found another version."""
    assert isinstance(translate(StaleDataError("x"), TABLES), PreconditionFailed)


@pytest.mark.parametrize(
    "error",
    [
        from_asyncpg(
            "0A000", "cached statement plan is invalid due to a database schema or configuration change"
        ),
        psycopg.errors.FeatureNotSupported("cached plan must not change result type"),
        from_asyncpg("XX000", "cache lookup failed for type 4711"),
        asyncpg.OutdatedSchemaCacheError("x"),
        pymysql.err.OperationalError(1615, "Prepared statement needs to be re-prepared"),
    ],
)
def test_a_plan_that_a_migration_made_stale_is_told_apart(error: Exception):
    """0A000 is any unsupported feature; only the text says that a plan is stale."""
    assert classify(error) == Fault("stale_plan")


def test_a_value_that_asyncpg_cannot_encode_is_out_of_range():
    """Numbers that asyncpg cannot send have a general SQLSTATE; their cause tells more."""
    error = asyncpg.DataError("invalid input for query argument $1")
    error.__cause__ = OverflowError("value out of int16 range")

    assert classify(error) == Fault("out_of_range")


@pytest.mark.parametrize(
    ("error", "pointers"),
    [
        (from_asyncpg("23505", constraint_name="rooms_pkey", table_name="rooms"), ["/id"]),
        (from_asyncpg("23505", constraint_name="rooms_title_key", table_name="rooms"), ["/name"]),
        (from_asyncpg("23505", constraint_name="rooms_title_key1", table_name="rooms"), ["/name"]),
        (
            from_asyncpg("23505", constraint_name="rooms_floor_wing_key", table_name="rooms"),
            ["/floor", "/wing"],
        ),
        (from_asyncpg("23505", constraint_name="unheard_of", table_name="rooms"), []),
        (from_asyncpg("23505", constraint_name="rooms_title_key", table_name="unheard_of"), []),
        (from_asyncpg("23505", constraint_name="rooms_api_token_key", table_name="rooms"), []),
        (pymysql.err.IntegrityError(1062, "Duplicate entry 'x' for key 'title'"), ["/name"]),
        (pymysql.err.IntegrityError(1062, "Duplicate entry 'x' for key 'rooms.title_2'"), ["/name"]),
        (pymysql.err.IntegrityError(1062, "Duplicate entry 'x' for key 'floor'"), ["/floor", "/wing"]),
        (pymysql.err.IntegrityError(1062, "Duplicate entry 'x' for key 'rooms.PRIMARY'"), ["/id"]),
        (
            wrapped(pymysql.err.IntegrityError(1062, "'x' for key 'PRIMARY'"), "INSERT INTO owners (id)"),
            ["/id"],
        ),
        (sqlite3.IntegrityError("UNIQUE constraint failed: rooms.floor, rooms.wing"), ["/floor", "/wing"]),
        (sqlite3.IntegrityError("UNIQUE constraint failed: index 'unheard_of'"), []),
    ],
)
def test_a_unique_constraint_is_found_under_any_name(error: Exception, pointers: list[str]):
    """Constraints that the model does not name are found by each database's way of naming them."""
    problem = translate(error, TABLES)

    assert type(problem) is NotUnique
    assert [issue.pointer for issue in problem.issues] == pointers
    assert {issue.code for issue in problem.issues} <= {"not-unique"}


def test_a_combination_is_told_from_a_single_field():
    """A composite constraint gives one issue for each field, and a sentence about all of them."""
    problem = translate(sqlite3.IntegrityError("UNIQUE constraint failed: rooms.floor, rooms.wing"), TABLES)

    assert problem.detail == "This combination of floor and wing is already taken"


def test_postgresql_shortens_the_longer_part_of_a_name():
    """A default name beyond 63 bytes loses letters of its table or column, and is still found."""
    name = f"{LONG_TABLE[:29]}_an_exceedingly_long_column_na_key"
    error = from_asyncpg("23505", constraint_name=name, table_name=LONG_TABLE)

    assert len(name) == 63
    assert [issue.pointer for issue in translate(error, TABLES).issues] == [
        "/an_exceedingly_long_column_name"
    ]


@pytest.mark.parametrize(
    ("error", "detail", "pointers"),
    [
        (
            from_asyncpg("23514", constraint_name="rooms_check", table_name="rooms"),
            "A rule about low and high is not met",
            ["/low", "/high"],
        ),
        (
            pymysql.err.OperationalError(4025, "CONSTRAINT `CONSTRAINT_1` failed for `t`.`rooms`"),
            "A rule about low and high is not met",
            ["/low", "/high"],
        ),
        (
            wrapped(sqlite3.IntegrityError("CHECK constraint failed: low < high"), "INSERT INTO rooms (id)"),
            "A rule about low and high is not met",
            ["/low", "/high"],
        ),
        (
            from_asyncpg("23514", constraint_name="rooms_floor_check", table_name="rooms"),
            "A rule about floor is not met",
            ["/floor"],
        ),
        (
            from_asyncpg("23514", constraint_name="internal_limit", table_name="rooms"),
            CheckFailed.title,
            [],
        ),
        (
            from_asyncpg("23P01", constraint_name="no_overlap", table_name="rooms"),
            "The rule no_overlap is not met",
            ["/floor"],
        ),
    ],
)
def test_a_failed_rule_is_named_only_if_the_model_names_it(
    error: Exception, detail: str, pointers: list[str]
):
    """A rule is told by the model's name for it or by its fields; a name that only the database knows stays there."""
    problem = translate(error, TABLES)

    assert type(problem) is CheckFailed
    assert problem.detail == detail
    assert [issue.pointer for issue in problem.issues] == pointers


def test_a_name_that_sqlalchemy_cut_is_still_known():
    """Names beyond the database's limit end in a hash."""
    error = from_asyncpg("23514", constraint_name=f"{LONG[:55]}_1a2b", table_name="rooms")

    assert LONG in translate(error, TABLES).detail


CHILD = 'insert or update on table "rooms" violates foreign key constraint "rooms_owner_id_fkey"'
PARENT = 'update or delete on table "owners" violates foreign key constraint "x" on table "rooms"'
TRANSLATED = "Einfügen oder Aktualisieren in Tabelle »rooms« verletzt Fremdschlüssel-Constraint"
UNSAID = sqlite3.IntegrityError("FOREIGN KEY constraint failed")


def foreign(text: str, table: str = "rooms", name: str = "rooms_owner_id_fkey") -> asyncpg.PostgresError:
    return from_asyncpg("23503", text, constraint_name=name, table_name=table)


@pytest.mark.parametrize(
    ("error", "moment", "problem", "pointers"),
    [
        (foreign(CHILD), "write", ReferenceMissing, ["/owner_id"]),
        (foreign(CHILD), "commit", ReferenceMissing, ["/owner_id"]),
        (foreign(CHILD), "delete", ReferenceMissing, ["/owner_id"]),
        (foreign(PARENT), "write", StillReferenced, [None]),
        (foreign(PARENT), "commit", StillReferenced, [None]),
        (foreign(PARENT, "unheard_of"), "delete", StillReferenced, []),
        (foreign(TRANSLATED), "write", ReferenceMissing, ["/owner_id"]),
        (foreign(TRANSLATED), "delete", StillReferenced, [None]),
        (foreign(TRANSLATED), "commit", ReferenceMissing, ["/owner_id"]),
        (foreign(TRANSLATED, "unheard_of"), "commit", Conflict, []),
        (from_asyncpg("23001", table_name="rooms"), "write", StillReferenced, [None]),
        (UNSAID, "write", ReferenceMissing, []),
        (UNSAID, "delete", StillReferenced, []),
        (UNSAID, "commit", Conflict, []),
        (wrapped(UNSAID, "INSERT INTO rooms (id)"), "write", ReferenceMissing, []),
        (wrapped(UNSAID, 'DELETE FROM "owners"'), "write", StillReferenced, []),
    ],
)
def test_a_foreign_key_has_two_sides(
    error: Exception, moment: Any, problem: type, pointers: list[str | None]
):
    """Which side is at fault comes from the driver, and where it is silent from what was being done."""
    found = translate(error, TABLES, moment)

    assert type(found) is problem
    assert [issue.pointer for issue in found.issues] == pointers


def test_hints_name_only_described_tables():
    """A table that has no description is not spoken of."""
    known = translate(foreign(CHILD), TABLES)
    unknown = translate(foreign(CHILD, name="rooms_tenant_id_fkey"), TABLES)

    assert known.issues[0].hint == "send the key of an existing row of owners"
    assert unknown.issues[0].hint is None
    assert "unheard_of" not in translate(foreign(PARENT, "unheard_of"), TABLES, "delete").detail


def test_a_child_that_cannot_lose_its_parent_keeps_it():
    """ON DELETE SET NULL on a NOT NULL column refuses the delete of the parent, not a value of the client."""
    error = from_asyncpg("23502", table_name="rooms", column_name="owner_id")

    assert type(translate(error, TABLES, "delete")) is StillReferenced
    assert type(translate(error, TABLES, "write")) is Invalid


@pytest.mark.parametrize("state", ["40001", "55P03", "57014", "53300"])
def test_what_passes_is_busy_and_says_when(state: str):
    """Waiting helps, so the answer says how long."""
    problem = translate(from_asyncpg(state), TABLES)

    assert type(problem) is TooBusy
    assert 1 <= problem.retry_after_seconds <= 2


def test_a_database_that_takes_no_writes_is_away_for_now():
    """A standby, until it is promoted."""
    problem = translate(from_asyncpg("25006"), TABLES)

    assert (type(problem), problem.status) == (DatabaseUnavailable, 503)


def test_a_connection_lost_at_commit_promises_nothing():
    """Before COMMIT nothing was stored, and the client is told when to come back; during COMMIT nobody knows."""
    error = ConnectionResetError()

    before, during = translate(error, TABLES, "write"), translate(error, TABLES, "commit")
    assert (type(before), before.retry_after_seconds) == (DatabaseUnavailable, 2)
    assert (type(during), during.retry_after_seconds) == (CommitUnknown, None)


@pytest.mark.parametrize(
    ("kind", "is_repeatable"),
    [
        ("serialization", True),
        ("lock_timeout", True),
        ("stale_plan", True),
        ("connection_lost", True),
        ("unique", False),
        ("statement_timeout", False),
        ("unknown", False),
    ],
)
def test_a_unit_is_repeated_only_where_that_may_help(kind: Any, is_repeatable: bool):
    """Conflicts of timing and lost connections pass; what a client got wrong stays wrong."""
    assert (attempts_at(Fault(kind)) > 1) is is_repeatable


def test_a_key_of_several_tables_is_not_guessed_at():
    """MariaDB does not say the table: a key that several could mean gives no field."""
    error = pymysql.err.IntegrityError(1062, "Duplicate entry '1' for key 'title'")

    assert translate(error, TABLES).issues
    assert not translate(error, TABLES | {"halls": describe(Hall)}).issues


def test_foreign_keys_are_listed():
    """What operations probe where the database does not say which reference is broken."""
    assert {key.fields for key in foreign_keys(TABLES["rooms"])} == {("owner_id",), ("tenant_id",)}


@given(st.text(min_size=1), st.sampled_from(["write", "delete", "commit"]))
def test_no_word_of_a_driver_reaches_an_answer(secret: str, moment: Any):
    """Whatever a driver says, the answer is made of the service's own words."""
    secret = f"<<{secret}>>"
    texts = (
        f"UNIQUE constraint failed: {secret}.{secret}",
        f"CHECK constraint failed: {secret}",
        f"NOT NULL constraint failed: {secret}",
    )
    errors = [sqlite3.IntegrityError(text) for text in texts]
    numbers = (1062, 1048, 1406, 1366, 1451, 1452, 4025)
    errors += [
        pymysql.err.IntegrityError(number, f"Duplicate '{secret}' for key '{secret}'") for number in numbers
    ]
    errors += [
        from_asyncpg(state, secret, constraint_name=secret, table_name=table, column_name=secret)
        for state, table in itertools.product(
            ("23505", "23503", "23502", "23514", "22001"), (secret, "rooms")
        )
    ]

    for error in errors:
        problem = translate(wrapped(error, f"INSERT INTO {secret}"), TABLES, moment)
        assert secret not in f"{problem.detail} {problem.issues}"


def test_an_error_of_the_orm_is_read_through_its_wrapping():
    """What a flush raises holds the driver's error."""
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine, tables=[Owner.__table__])
    with Session(engine) as session:
        session.execute(sa.insert(Owner).values(id=1))
        session.add(Owner(id=1))
        error = raised(session.flush)
    engine.dispose()

    assert classify(error) == Fault("unique", None, "owners", ("id",))
