"""The fixtures themselves: each driver reaches a server of its own kind, and nothing is left behind."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
import time
from contextlib import closing

import pytest
from sqlalchemy import Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from tests.databases.drivers import Driver
from tests.databases.servers import Server, home, mariadb_is_installed

VERSION_QUERIES = {
    "sqlite": "select sqlite_version()",
    "postgresql": "show server_version",
    "mariadb": "select version()",
}


async def ask(driver: Driver, url: str, query: str) -> str:
    """The one value that a query gives, asked through the driver."""
    engine = driver.engine(url)
    if isinstance(engine, Engine):
        with closing(engine.connect()) as connection:
            answer = str(connection.scalar(text(query)))
        engine.dispose()
        return answer
    async with engine.connect() as connection:
        answer = str(await connection.scalar(text(query)))
    await engine.dispose()
    return answer


async def test_every_driver_reaches_a_server_of_its_dialect(driver: Driver, driver_url: str):
    """Each driver connects to the database it was given, and the server is of its kind."""
    version = await ask(driver, driver_url, VERSION_QUERIES[driver.dialect])

    assert version[0].isdigit()
    assert ("MariaDB" in version) == (driver.dialect == "mariadb")


async def test_a_new_database_is_empty(database_url: str):
    """A test starts with no tables."""
    engine = create_async_engine(database_url)
    async with engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await engine.dispose()

    assert tables == []


def test_each_database_is_another(new_database):
    """Asking twice gives two databases."""
    assert new_database("aiosqlite") != new_database("aiosqlite")
    assert new_database("asyncpg") != new_database("asyncpg")


@pytest.mark.parametrize("driver", ["pymysql"], indirect=True)
async def test_mariadb_stores_every_character(driver: Driver, driver_url: str):
    """Databases on MariaDB are utf8mb4, so that text outside the basic plane fits."""
    assert await ask(driver, driver_url, "select @@character_set_database") == "utf8mb4"


def test_the_url_holds_the_password(new_database, administrations):
    """A URL given to a test can be used as it is: it is not masked."""
    url = make_url(new_database("asyncpg"))

    assert url.password == administrations("postgresql").server.password


@pytest.mark.parametrize("password", [None, "", "splice"])
@pytest.mark.parametrize("user", ["splice", "postgres", "root", ""])
@pytest.mark.parametrize("driver", ["psycopg2", "pymysql"])
def test_nobody_enters_without_the_password(driver, user, password, new_database):
    """The port of a server is open to every account of the machine, and its user may do everything."""
    # `set()` takes None as "leave it".
    url = make_url(new_database(driver))._replace(username=user, password=password)

    with pytest.raises(OperationalError):
        create_engine(url).connect()


def test_the_socket_asks_for_the_password(new_database):
    """PostgreSQL's socket is no way round it."""
    url = make_url(new_database("psycopg2"))
    with closing(create_engine(url).connect()) as connection:
        folder = connection.scalar(text("show unix_socket_directories"))
    through_socket = url._replace(host=None).update_query_dict({"host": folder})

    with pytest.raises(OperationalError, match="no password supplied"):
        create_engine(through_socket._replace(password=None)).connect()
    with closing(create_engine(through_socket).connect()) as connection:
        assert connection.scalar(text("select 1")) == 1


def test_a_secret_is_read_by_its_account_alone():
    """What is written for a server to read is closed to others, and gone afterwards."""
    with home(owners=("postgres", "nobody")) as place:
        with place.secret("s3cret") as file:
            assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("s3cret", 0o600)
            assert file.stat().st_uid == place.path.stat().st_uid
            assert place.may("-r", file)

        assert list(place.path.iterdir()) == []


def test_a_password_is_not_shown():
    """A server in a traceback or a log shows where it is, and not how to get in."""
    assert "s3cret" not in repr(Server("postgresql", "15.7", 5432, "s3cret"))


@pytest.mark.slow
@pytest.mark.parametrize("program", ["postgresql", "mariadb"])
def test_a_server_ends_with_the_process_that_started_it(program):
    """Even a killed test run leaves neither a server nor its folder."""
    if program == "mariadb" and not mariadb_is_installed():
        pytest.skip("mariadbd is not installed")
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, program], stdout=subprocess.PIPE, text=True)
    with runner:
        port = int(runner.stdout.readline())
        runner.kill()

    assert closes_within(10, port)


RUNNER = """
import sys, time
from tests.databases import servers
with getattr(servers, sys.argv[1])() as server:
    print(server.port, flush=True)
    time.sleep(60)
"""


def closes_within(seconds: float, port: int) -> bool:
    """Say whether nobody answers at the port any more, in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return True
        time.sleep(0.1)
    return False
