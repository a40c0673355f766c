"""A hot standby of a PostgreSQL, which has all that the primary has acknowledged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from splice.testing import servers
from tests.databases.servers import OwnServer, home, postgresql_answers, reserved_port

__all__ = ["Pair", "promote", "replicated"]


@dataclass(frozen=True)
class Pair:
    """Two servers of one's own with the same databases, of which one takes writes."""

    primary: OwnServer
    standby: OwnServer

    @property
    def hosts(self) -> str:
        """Both as a URL spells them, the one that takes no writes first."""
        return ",".join(f"{each.server.host}:{each.server.port}" for each in (self.standby, self.primary))


@contextlib.contextmanager
def replicated(primary: OwnServer) -> Iterator[Pair]:
    """Run a hot standby of a server that runs, until the end of the block; each COMMIT waits for both."""
    binaries = Path(primary.command[0]).parent
    copy = binaries / "pg_basebackup"
    if not copy.exists():
        pytest.skip("this PostgreSQL has no pg_basebackup")
    with home(("postgres", "nobody")) as place, reserved_port() as port, contextlib.ExitStack() as ends:
        # As with every server of one's own: its folder ends with the tests, however they end.
        ends.enter_context(place.serve("KILL", lambda _: ["sleep", "infinity"], lambda _: True))
        place.run(
            copy, "-d", _address(primary), "-D", place.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"
        )
        standby = OwnServer(
            replace(primary.server, port=port),
            place,
            [*servers._command(binaries, place, port), "-c", "synchronous_commit=on"],
            place.data / "postmaster.pid",
            "INT",
            postgresql_answers(primary.server.password),
        )
        ends.callback(standby.stop)
        standby.start()
        _run(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        yield Pair(primary, standby)


def promote(standby: OwnServer) -> None:
    """Let a standby take writes; it does when this returns."""
    _run(standby, "SELECT pg_promote()")


def _run(server: OwnServer, *statements: str) -> None:
    with psycopg.connect(_address(server), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _address(server: OwnServer) -> str:
    place = server.server
    words = {"host": place.host, "port": place.port, "user": place.user, "password": place.password}
    return psycopg.conninfo.make_conninfo(**words, dbname="postgres")
