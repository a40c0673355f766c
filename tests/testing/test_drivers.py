"""One suite, on every driver: tests are isolated from each other, whatever they and the application do."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from tests.databases.drivers import Driver

TESTED = ("sqlite3", "aiosqlite", "asyncpg", "psycopg-sync", "asyncmy", "pymysql")
UNREACHABLE = {
    "sqlite": "{}:////nowhere/app.db",
    "postgresql": "{}://nobody:secret@127.0.0.1:1/production",
    "mariadb": "{}://nobody:secret@127.0.0.1:1/production",
}


@pytest.fixture
def service(project, driver: Driver, monkeypatch):
    """The project, whose application has the driver."""
    monkeypatch.setenv("SUITE_URL", UNREACHABLE[driver.dialect].format(driver.drivername))
    if not driver.is_async:
        monkeypatch.setenv("SUITE_ENGINE", "1")
    return project


@pytest.fixture
def server_url(driver: Driver, driver_url: str) -> str:
    """The URL to test on: of the server without a driver; `sqlite` where there is none."""
    url = make_url(driver_url)
    if driver.dialect == "sqlite":
        return "sqlite"
    return url.set(drivername=driver.dialect).render_as_string(hide_password=False)


@pytest.mark.parametrize("driver", TESTED, indirect=True)
def test_tests_are_isolated_on_every_driver(service, driver, server_url, suite):
    """What one test writes no other finds: sync and async, savepoints and databases of its own."""
    tests = suite("asynchronous.py" if driver.is_async else "sync_driver.py")

    result = service.run(f"--database={server_url}", plain=suite("plain.py"), loop=tests)

    result.assert_outcomes(passed=13 + (7 if driver.is_async else 2))


@pytest.mark.parametrize("driver", ["aiosqlite", "asyncpg"], indirect=True)
def test_the_order_of_tests_makes_no_difference(service, server_url, suite):
    """The same suite passes backwards."""
    service.conftest += "\ndef pytest_collection_modifyitems(items): items.reverse()\n"

    result = service.run(f"--database={server_url}", plain=suite("plain.py"))

    result.assert_outcomes(passed=13)
