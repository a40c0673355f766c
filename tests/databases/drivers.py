"""Every driver that splice is tested with, and where each finds a database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

__all__ = ["DRIVERS", "REPRESENTATIVES", "Driver", "Place"]


@dataclass(frozen=True)
class Place:
    """One database: its name on a server, or the path of a file where there is no server."""

    name: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = None


@dataclass(frozen=True)
class Driver:
    """A way to talk to a database; psycopg counts twice, since it is sync and async under one name."""

    name: str
    dialect: str
    drivername: str
    is_async: bool

    def url(self, place: Place) -> URL:
        """Spell where a database is for this driver."""
        return URL.create(self.drivername, place.user, place.password, place.host, place.port, place.name)

    def engine(self, url: str | URL) -> Engine | AsyncEngine:
        """Make an engine of the driver's own kind."""
        return create_async_engine(url) if self.is_async else create_engine(url)


DRIVERS = {
    driver.name: driver
    for driver in (
        Driver("sqlite3", "sqlite", "sqlite+pysqlite", is_async=False),
        Driver("aiosqlite", "sqlite", "sqlite+aiosqlite", is_async=True),
        Driver("asyncpg", "postgresql", "postgresql+asyncpg", is_async=True),
        Driver("psycopg-async", "postgresql", "postgresql+psycopg", is_async=True),
        Driver("psycopg-sync", "postgresql", "postgresql+psycopg", is_async=False),
        Driver("psycopg2", "postgresql", "postgresql+psycopg2", is_async=False),
        Driver("asyncmy", "mariadb", "mariadb+asyncmy", is_async=True),
        Driver("pymysql", "mariadb", "mariadb+pymysql", is_async=False),
    )
}
REPRESENTATIVES = ("aiosqlite", "asyncpg", "asyncmy")
