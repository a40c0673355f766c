"""Where a case takes place: which databases there are, and what it is told of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.databases.drivers import Driver
from tests.databases.servers import OwnServer

__all__ = ["DATABASES", "SERVERS", "Ground"]

DATABASES = ("aiosqlite", "asyncpg", "psycopg-async", "asyncmy")
SERVERS = ("asyncpg", "psycopg-async", "asyncmy")


@dataclass(frozen=True)
class Ground:
    """The database of a case, and the server that it is on, where that is one's own."""

    driver: Driver
    url: str = field(repr=False)
    server: OwnServer | None = None
