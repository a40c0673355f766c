"""The fixtures themselves: each driver reaches a server of its own kind, and nothing is left behind."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time

import pytest
from sqlalchemy import Engine, inspect, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.databases.drivers import Driver
from tests.databases.servers import mariadb_is_installed

VERSION_QUERIES = {
    "sqlite": "select sqlite_version()",
    "postgresql": "show server_version",
    "mariadb": "select version()",
}


async def ask(driver: Driver, url: str, query: str) -> str:
    """The one value that a query gives, asked through the driver."""
    engine = driver.engine(url)
    if isinstance(engine, Engine):
        with contextlib.closing(engine.connect()) as connection:
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


def test_the_url_holds_the_password(new_database):
    """A URL given to a test can be used as it is: it is not masked."""
    url = make_url(new_database("asyncpg"))

    assert url.password == "splice"


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
