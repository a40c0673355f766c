"""A primary and its standby in one URL: the service finds the one that takes writes, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import anyio
import pytest
import sqlalchemy as sa
from anyio.to_thread import run_sync

from tests.databases.servers import OwnServer, own_server
from tests.faults.ground import Ground
from tests.faults.ledger import Comparison
from tests.faults.load import client_of, under_load, until_written
from tests.faults.standby import Pair, promote, replicated
from tests.faults.witness import Witness

AWAY_SECONDS = 1


@pytest.mark.faults
@pytest.mark.parametrize("own", ["asyncpg", "psycopg-async"], indirect=True)
async def test_a_service_follows_its_primary(own, pair, service, ledger, figures):
    """With both hosts in its URL the service writes to the primary, and to the standby once that has its place."""
    service = replace(service, database=_url(own, pair))
    async with service.running(), client_of(service) as client:
        async with under_load(service, ledger):
            await anyio.sleep(1)
            before = len(ledger.named("acknowledged"))
            await run_sync(pair.primary.kill)
            await anyio.sleep(AWAY_SECONDS)
            away = await client.get("/ready"), await client.get("/health")
            await run_sync(promote, pair.standby)
            recovered = await until_written(client, ledger, within_seconds=5)
            await anyio.sleep(1)
        back = await client.get("/ready")

    figures(**ledger.figures, acknowledged_before=before, recovered_seconds=recovered)
    assert [answer.status_code for answer in (*away, back)] == [503, 200, 200]
    assert before > 20
    assert not ledger.out_of_order
    assert ledger.compare(_at(own, pair.standby).names()) == Comparison()
    assert service.failures == []


@pytest.fixture(scope="module")
def own_servers() -> Iterator[Callable[[str], OwnServer]]:
    """A server for each case: it is not there any more when the case ends."""
    with ExitStack() as ends:
        yield lambda dialect: ends.enter_context(own_server(dialect))


@pytest.fixture
def pair(own: Ground) -> Iterator[Pair]:
    """The server of the case, and a standby of it."""
    assert own.server is not None
    with replicated(own.server) as pair:
        yield pair


def _url(own: Ground, pair: Pair) -> str:
    """The database on both, as libpq spells it."""
    url = sa.make_url(own.url)
    return f"{url.drivername}://{url.username}:{url.password}@{pair.hosts}/{url.database}?target_session_attrs=read-write"


def _at(own: Ground, server: OwnServer) -> Witness:
    url = sa.make_url(own.url).set(port=server.server.port)
    return Witness.of(own.driver, url.render_as_string(hide_password=False))
