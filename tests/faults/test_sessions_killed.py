"""All sessions of the service are ended by the database."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.faults.ground import SERVERS
from tests.faults.load import at_once, client_of, under_load, write

CLIENTS = 10
DRIVER_TEXT = (
    "terminating connection",
    "Lost connection",
    "server closed",
    "was killed",
    "closed the connection",
)


@pytest.mark.parametrize("database", SERVERS, indirect=True)
async def test_idle_sessions_that_are_killed_cost_nothing(database, service, witness, ledger, judge, figures):
    """When all idle sessions have been killed, the next requests succeed as if nothing had been."""
    async with service.running(), client_of(service) as client:
        await at_once(CLIENTS, lambda _: client.get("/read?seconds=0.1"))
        killed = witness.kill_sessions()
        await anyio.sleep(0.1)
        reads = await at_once(CLIENTS, lambda _: client.get("/entries"))
        for _ in range(3):
            await at_once(CLIENTS, lambda _: write(client, ledger))

    figures(killed=killed, **ledger.figures)
    assert killed >= CLIENTS - 1
    assert [answer.status_code for answer in reads] == [200] * CLIENTS
    assert len(ledger.named("acknowledged")) == 3 * CLIENTS
    judge()


@pytest.mark.faults
@pytest.mark.parametrize("database", SERVERS, indirect=True)
async def test_sessions_killed_under_load_cost_retries(database, service, witness, ledger, judge, figures):
    """Sessions that are killed while they work cost 503 with Retry-After, and nothing that was acknowledged."""
    killed = 0
    async with service.running(), under_load(service, ledger):
        for _ in range(10):
            await anyio.sleep(0.2)
            killed += await run_sync(witness.kill_sessions)
        await anyio.sleep(0.5)

    figures(killed=killed, **ledger.figures)
    assert killed > CLIENTS
    assert not ledger.out_of_order
    assert len(ledger.named("acknowledged")) > killed
    judge()


@pytest.mark.parametrize("database", SERVERS, indirect=True)
async def test_a_killed_session_leaves_no_words_of_a_driver(database, service, witness, ledger, judge):
    """The log tells that a session was lost in the service's own words, whoever writes it."""
    async with service.running(), client_of(service) as client, anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(lambda: write(client, ledger, "/held", seconds=0.5))
        await anyio.sleep(0.25)
        assert witness.kill_sessions() >= 3

    log = service.log.read_text()
    assert len(ledger.named("refused") | ledger.named("unknown")) == 3
    assert not ledger.out_of_order
    judge()
    assert not [text for text in DRIVER_TEXT if text in log]
