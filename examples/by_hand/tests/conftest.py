"""The four apps, each started on every database that it can reach."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.by_hand.tests.service import BY_HAND, Service, started, with_lengths

SYNC_DRIVERS = ("sqlite3", "psycopg2", "pymysql")
ASYNC_DRIVERS = ("aiosqlite", "asyncpg", "asyncmy")
DRIVERS_OF_APPS = {
    "sync_session": SYNC_DRIVERS,
    "async_session": ASYNC_DRIVERS,
    "on_database": ASYNC_DRIVERS,
    "on_resource": ASYNC_DRIVERS,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"app_name", "app_driver"} <= set(metafunc.fixturenames):
        pairs = [(app, driver) for app, drivers in DRIVERS_OF_APPS.items() for driver in drivers]
        metafunc.parametrize(("app_name", "app_driver"), pairs)


@pytest.fixture
def service(
    app_name: str, app_driver: str, new_database: Callable[[str], str], tmp_path: Path
) -> Iterator[Service]:
    """One of the apps, started on a new database."""
    url = new_database(app_driver)
    folder = with_lengths(tmp_path / "app") if url.startswith("mariadb") else BY_HAND
    with started(app_name, folder, url) as running:
        yield running
