"""The disk of the database is full, and then it is not.

No file system is mounted for it: the database, or its process, may not make its files longer than they are.
"""

from __future__ import annotations

import resource
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import httpx2
import pytest

from tests.databases.servers import OwnServer, own_server
from tests.faults.ground import Ground
from tests.faults.ledger import Ledger
from tests.faults.load import client_of, until_written, write
from tests.faults.service import Running, Service
from tests.faults.witness import Witness

MIB = 2**20
NOTE = secrets.token_urlsafe(45_000)
"""Of which some hundreds fill what there is; no database can make it shorter."""

MOST = 600
REFUSED = 20

pytestmark = pytest.mark.faults


@dataclass(frozen=True)
class Room:
    """A service, and how its database is made short of room and given some while it runs."""

    service: Service
    take: Callable[[Running], None]
    give: Callable[[Running], None]


def sqlite_pages(service: Service, witness: Witness, _: Ground) -> Room:
    """The file may have no more pages: SQLITE_FULL, as on a full disk."""
    full = replace(service, program="tests.faults.bounded:app", options={"MAX_PAGES": "1000"})
    return Room(full, lambda _: _fill(witness), lambda _: _drop(witness))


def sqlite_bytes(service: Service, _: Witness, __: Ground) -> Room:
    """The service may write no longer files: SQLITE_IOERR_WRITE."""

    def limit(running: Running, size: int) -> None:
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return Room(
        service,
        lambda running: limit(running, 2 * MIB),
        lambda running: limit(running, resource.RLIM_INFINITY),
    )


def postgresql_bytes(service: Service, witness: Witness, ground: Ground) -> Room:
    """The server may write no longer files, nor half a block: 53100, as on a full disk."""

    def limit(server: OwnServer, size: object) -> None:
        pid = server.pid_file.read_text().split()[0]
        # Nobody but its own account may, not even root in a container.
        server.place.run("prlimit", f"--pid={pid}", f"--fsize={size}:unlimited")
        # Sessions keep the limit that they have begun with.
        witness.kill_sessions()

    # Not less: the files of its log are 16 MiB long.
    server = _server(ground)
    return Room(service, lambda _: limit(server, 18 * MIB + 4096), lambda _: limit(server, "unlimited"))


def mariadb_bytes(service: Service, _: Witness, ground: Ground) -> Room:
    """The table space may be no longer: 1114; deleting would need room itself, so the server is given more."""
    server = _server(ground)

    def widen(_: Running) -> None:
        server.stop()
        replace(server, command=[word.replace(_NARROW, _WIDE) for word in server.command]).start()

    return Room(service, lambda _: None, widen)


_NARROW, _WIDE = "autoextend:max:20M", "autoextend:max:60M"


@pytest.mark.parametrize(
    ("database", "room"),
    [("aiosqlite", sqlite_pages), ("aiosqlite", sqlite_bytes)],
    indirect=True,
)
async def test_a_full_disk_under_a_file_costs_writes_alone(database, room, ledger, judge, figures):
    """Where SQLite has no room, writes are 503 and store nothing, reads go on, and writes too once there is some."""
    figures(**await _fill_up(room, ledger))
    assert not ledger.out_of_order
    judge()


@pytest.mark.parametrize(
    ("own", "room"),
    [("asyncpg", postgresql_bytes), ("psycopg-async", postgresql_bytes), ("asyncmy", mariadb_bytes)],
    indirect=True,
)
async def test_a_full_disk_under_a_server_costs_writes_alone(own, room, ledger, judge, figures):
    """Where a server has no room, writes are 503 and store nothing, reads go on, and writes too once there is some."""
    figures(**await _fill_up(room, ledger))
    assert not ledger.out_of_order
    judge()


async def _fill_up(room: Room, ledger: Ledger) -> dict[str, float]:
    """Write until nothing fits any more, then still more, read, and write when there is room again; the figures."""
    async with room.service.running() as running, client_of(room.service) as client:
        room.take(running)
        while (await write(client, ledger, note=NOTE)).outcome == "acknowledged":
            assert len(ledger.attempts) < MOST
        full_after = len(ledger.attempts)
        for _ in range(REFUSED):
            await write(client, ledger, note=NOTE)
        assert await _read(client) == [200] * 4
        room.give(running)
        recovered = await until_written(client, ledger, within_seconds=5)
    return {"full_after_writes": full_after, **ledger.figures, "recovered_seconds": recovered}


async def _read(client: httpx2.AsyncClient) -> list[int]:
    paths = ("/entries?fields=id&count=exact", "/entries/1", "/health", "/ready")
    return [(await client.get(path)).status_code for path in paths]


@pytest.fixture
def room(request, ground: Ground, service: Service, witness: Witness) -> Room:
    """The service of the case, and its room."""
    made: Room = request.param(service, witness, ground)
    return made


@pytest.fixture(scope="module")
def own_servers(own_servers: Callable[[str], OwnServer]) -> Iterator[Callable[[str], OwnServer]]:
    """The same, but for a MariaDB whose table space is bounded."""
    made: dict[str, OwnServer] = {}
    with ExitStack() as ends:

        def give(dialect: str) -> OwnServer:
            if dialect != "mariadb":
                return own_servers(dialect)
            if dialect not in made:
                made[dialect] = _bounded(ends)
            return made[dialect]

        yield give


def _bounded(ends: ExitStack) -> OwnServer:
    server = ends.enter_context(own_server("mariadb"))
    server.stop()
    space = f"--innodb-data-file-path=ibdata1:12M:{_NARROW}"
    options = [space, "--innodb-autoextend-increment=1", "--innodb-file-per-table=0"]
    bounded = replace(server, command=[*server.command, *options])
    bounded.start()
    return bounded


def _server(ground: Ground) -> OwnServer:
    assert ground.server is not None
    return ground.server


def _fill(witness: Witness) -> None:
    """Take a megabyte that can be given back without losing what was acknowledged."""
    witness.run("CREATE TABLE room (text VARCHAR(100))", f"INSERT INTO room VALUES ('{'x' * 100}')")
    for _ in range(13):
        witness.run("INSERT INTO room SELECT text FROM room")


def _drop(witness: Witness) -> None:
    # Deleting rows would need room itself.
    witness.run("DROP TABLE room")
