"""Databases made for a run on a server that belongs to somebody."""

from __future__ import annotations

import asyncio

import psycopg
import pymysql
import pytest
from sqlalchemy import URL, create_engine, make_url, text

from splice import Database
from splice.errors import SetupError
from splice.testing.places import Databases, bind_for, engine_for, fit, read_target
from splice.testing.stores import dispose
from tests.databases.plugin import reason_to_skip


def run(function, *arguments):
    return asyncio.run(function(*arguments))


@pytest.fixture
def guest(administrations):
    """The URL of a server for somebody who may enter it, and no more."""

    def guest(drivername: str, dialect: str) -> URL:
        if reason := reason_to_skip(dialect):
            pytest.skip(reason)
        server = administrations(dialect).server
        return URL.create(drivername, "guest", "guest", server.host, server.port)

    return guest


@pytest.fixture
def postgresql(guest, administrations):
    """A PostgreSQL with such a role."""
    url, server = guest("postgresql+asyncpg", "postgresql"), administrations("postgresql").server
    with psycopg.connect(**address_of(server), dbname="postgres", autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        yield url
        connection.execute("DROP ROLE guest")


@pytest.fixture
def mariadb(guest, administrations):
    """A MariaDB with such a user."""
    url, server = guest("mariadb+pymysql", "mariadb"), administrations("mariadb").server
    with pymysql.connect(**address_of(server), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE USER guest@'%' IDENTIFIED BY 'guest'")
        yield url
        cursor.execute("DROP USER guest@'%'")


def address_of(server):
    return {"host": server.host, "port": server.port, "user": server.user, "password": server.password}


@pytest.mark.parametrize(
    ("server", "statement"),
    [("postgresql", 'ALTER ROLE "guest" CREATEDB'), ("mariadb", "GRANT ALL ON *.* TO 'guest'@'%'")],
)
def test_a_user_without_the_right_is_told_which_one(request, server, statement):
    """Who may not create databases gets the statement for the administrator."""
    url = request.getfixturevalue(server)

    with pytest.raises(SetupError) as refusal:
        Databases(url, run).make()

    assert str(refusal.value).endswith(f"run there as its administrator: {statement}")


@pytest.mark.parametrize("drivername", ["postgresql+asyncpg", "postgresql+psycopg", "mariadb+pymysql"])
def test_a_server_that_is_away_is_named(drivername):
    """Where nobody answers, the address is told, without a password."""
    url = URL.create(drivername, "ada", "secret", "127.0.0.1", 1)

    with pytest.raises(SetupError, match=r"the server to test on, 127\.0\.0\.1:1, does not let") as refusal:
        Databases(url, run).make()

    assert "secret" not in str(refusal.value)


def test_a_database_that_is_in_use_is_dropped_all_the_same(administrations):
    """A connection that a failed test has left does not keep its database."""
    server = administrations("postgresql").server
    address = address_of(server)
    place = Databases(
        URL.create("postgresql+asyncpg", server.user, server.password, server.host, server.port, "postgres"),
        run,
    )
    made = place.make()

    with (
        psycopg.connect(**address, dbname=made.database),
        psycopg.connect(**address, dbname="postgres") as other,
    ):
        place.drop(made)
        left = other.execute("SELECT 1 FROM pg_database WHERE datname = %s", (made.database,)).fetchall()

    assert left == []


def test_what_cannot_be_prepared_is_dropped(administrations, project):
    """Tables that cannot be made leave no database on somebody's server."""
    server = administrations("postgresql").server
    project.conftest += FAILS

    address = f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/postgres"
    result = project.run_here(f"--database={address}", a="def test_one(session): ...\n")

    result.assert_outcomes(errors=1)
    with psycopg.connect(address) as connection:
        left = connection.execute("SELECT 1 FROM pg_database WHERE datname LIKE 'postgres_test_%'").fetchall()
    assert left == []


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("driver", ["psycopg-async", "psycopg-sync"], indirect=True)
def test_a_driver_that_can_do_both_is_used_as_the_application_does(driver, driver_url, commits):
    """Psycopg stays async or sync, whichever the Database is, and is set up like any other driver."""
    url = make_url(driver_url)
    db = Database(url if driver.is_async else create_engine(url))
    bind = bind_for(url, db) if commits else engine_for(url, db, pooled=False)

    with db.rebound(bind):
        assert db.is_async is driver.is_async
        assert run(lock_timeout, db) == "5s"


async def lock_timeout(db):
    """What splice says to the connections that it makes, and a server says nothing about."""
    timeout = await db.run(lambda session: session.scalar(text("SHOW lock_timeout")))
    await dispose(db.engine)
    return timeout


FAILS = """
import pytest

@pytest.fixture(scope="session")
def prepare_database():
    def prepare(session, db):
        raise ZeroDivisionError

    return prepare
"""


@pytest.mark.parametrize(
    ("target", "db", "fitted"),
    [
        ("sqlite://", "postgresql+asyncpg://localhost/app", "sqlite+aiosqlite"),
        ("sqlite://", "sqlite+pysqlite:///app.db", "sqlite+pysqlite"),
        ("postgres://localhost", "sqlite:///app.db", "postgresql+asyncpg"),
        ("postgresql://localhost", "sqlite+pysqlite:///app.db", "postgresql+psycopg"),
        ("postgresql://localhost", "postgresql+psycopg2://localhost/app", "postgresql+psycopg2"),
        ("mysql://localhost", "mariadb+asyncmy://localhost/app", "mysql+asyncmy"),
        ("mariadb://localhost", "sqlite+pysqlite:///app.db", "mariadb+pymysql"),
        ("postgresql+psycopg://localhost", "sqlite:///app.db", "postgresql+psycopg"),
    ],
)
def test_the_driver_is_that_of_the_application_or_of_its_kind(target, db, fitted):
    """A sync application is tested by a sync driver, an async one by an async driver, its own where it can be."""
    assert fit(read_target(target), Database(db)).drivername == fitted
