"""A service that does not run yet, on a new database of each kind, and what is needed to judge it.

| fixture | gives |
|---|---|
| `database` | a new, empty database: once for each of `DATABASES`; cases that fit some only name them |
| `own` | the same on a server of one's own, which the case may stop, kill and start again |
| `service` | what is to run on it; `async with service.running()` runs it |
| `witness` | a way of one's own to it |
| `ledger` | what clients were told; `judge()` compares it with what is stored |
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.databases.administration import administration
from tests.databases.drivers import DRIVERS, Place
from tests.databases.plugin import reason_to_skip
from tests.databases.servers import OwnServer, own_server, reserved_port
from tests.faults.ground import DATABASES, SERVERS, Ground
from tests.faults.ledger import Comparison, Ledger
from tests.faults.service import Service
from tests.faults.witness import Witness

NUMBERS = itertools.count()


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Ground:
    """A new, empty database; the test runs once for each driver."""
    return Ground(DRIVERS[request.param], new_database(request.param))


@pytest.fixture(scope="session")
def own_servers() -> Iterator[Callable[[str], OwnServer]]:
    """A server of one's own for each dialect; made when it is first asked for, running whenever it is."""
    made: dict[str, OwnServer] = {}
    with contextlib.ExitStack() as ends:

        def give(dialect: str) -> OwnServer:
            if dialect not in made:
                made[dialect] = ends.enter_context(own_server(dialect))
            made[dialect].start()
            return made[dialect]

        yield give


@pytest.fixture(params=SERVERS)
def own(request: pytest.FixtureRequest, own_servers: Callable[[str], OwnServer]) -> Ground:
    """A new, empty database on a server that is the case's own."""
    driver = DRIVERS[request.param]
    if reason := reason_to_skip(driver.dialect):
        pytest.skip(reason)
    server = own_servers(driver.dialect)
    place = Place(
        f"test_{next(NUMBERS)}",
        server.server.host,
        server.server.port,
        server.server.user,
        server.server.password,
    )
    with administration(server.server) as administrator:
        administrator.create(place.name)
    request.node.user_properties.append(("driver", driver.name))
    # Not dropped: the server may be away when the case ends, and is thrown away as a whole.
    return Ground(driver, driver.url(place).render_as_string(hide_password=False), server)


@pytest.fixture
def ground(request: pytest.FixtureRequest) -> Ground:
    """The database of the case, whichever it has asked for."""
    name = "own" if "own" in request.fixturenames else "database"
    return request.getfixturevalue(name)


@pytest.fixture
def service(ground: Ground, tmp_path: Path) -> Iterator[Service]:
    """What is to run on the database; a case that wants more workers or other settings replaces them."""
    with reserved_port() as port:
        yield Service(ground.url, port, tmp_path / "service.log")


@pytest.fixture
def witness(ground: Ground) -> Witness:
    """A way of one's own to the database."""
    return Witness.of(ground.driver, ground.url)


@pytest.fixture
def ledger() -> Ledger:
    """What clients were told."""
    return Ledger()


@pytest.fixture
def judge(ledger: Ledger, witness: Witness, service: Service) -> Callable[[], None]:
    """Compare the ledger with what is stored, and look for what nobody foresaw in the log."""

    def judge() -> None:
        assert ledger.compare(witness.names()) == Comparison()
        assert service.failures == []

    return judge
