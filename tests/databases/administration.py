"""Creating and dropping databases on a server, through one connection that stays open."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg
import pymysql

from tests.databases.drivers import Place
from tests.databases.servers import Server

__all__ = ["Administration", "administration"]


@dataclass(frozen=True)
class Administration:
    """Makes databases on one server; names are unique over all processes of a run."""

    server: Server
    create: Callable[[str], None]
    drop: Callable[[str], None]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextlib.contextmanager
    def database(self) -> Iterator[Place]:
        """A new, empty database until the end of the block."""
        name = f"test_{os.getpid()}_{next(self.numbers)}"
        self.create(name)
        try:
            yield Place(name, self.server.host, self.server.port, self.server.user, self.server.password)
        finally:
            self.drop(name)


def administration(server: Server) -> contextlib.AbstractContextManager[Administration]:
    """Connect to a server for as long as the block."""
    return postgresql(server) if server.dialect == "postgresql" else mariadb(server)


@contextlib.contextmanager
def postgresql(server: Server) -> Iterator[Administration]:
    address = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    with psycopg.connect(**address, dbname="postgres", autocommit=True) as connection:  # type: ignore[arg-type]  # a port is a number
        # Copying files takes a third of the time of writing them through the log; older servers do nothing else.
        strategy = "STRATEGY file_copy" if connection.info.server_version >= 150000 else ""

        def create(name: str) -> None:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 {strategy}".encode())

        def drop(name: str) -> None:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

        yield Administration(server, create, drop)


@contextlib.contextmanager
def mariadb(server: Server) -> Iterator[Administration]:
    address = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    with pymysql.connect(**address, autocommit=True) as connection, connection.cursor() as cursor:

        def create(name: str) -> None:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")

        def drop(name: str) -> None:
            # A transaction that a test left open would make DROP wait for it.
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (name,))
            for (thread,) in cursor.fetchall():
                with contextlib.suppress(pymysql.err.OperationalError):
                    cursor.execute("KILL %s", (thread,))
            cursor.execute(f"DROP DATABASE {name}")

        yield Administration(server, create, drop)
