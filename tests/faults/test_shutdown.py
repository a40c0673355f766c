"""The service is asked to end while it works."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

import anyio
import pytest

from tests.faults.ledger import Comparison
from tests.faults.load import client_of, under_load, write
from tests.faults.witness import Witness

HELD = 5
BOUND_SECONDS = 5
GRACE_SECONDS = 10
"""How long `splice serve` lets requests finish."""
SERVINGS = [("splice", 1), ("splice", 2), ("uvicorn", 1), ("uvicorn", 2)]


@pytest.mark.faults
@pytest.mark.parametrize("serving", SERVINGS, ids=lambda serving: f"{serving[0]} with {serving[1]}")
async def test_what_is_in_flight_is_finished(database, serving, service, ledger, judge, figures):
    """After SIGTERM every write that has begun is answered 2xx, and the service ends by itself within 5 seconds."""
    service = replace(service, server=serving[0], workers=serving[1])
    # On SQLite one writer waits for the other.
    seconds = 0.3 if database.driver.dialect == "sqlite" else 1

    async with service.running() as running, client_of(service) as client:
        async with anyio.create_task_group() as group:
            for _ in range(HELD):
                group.start_soon(lambda: write(client, ledger, "/held", seconds=seconds))
            await anyio.sleep(0.5)
            start = time.monotonic()
            running.terminate()
            code = await running.ended(BOUND_SECONDS)
        ended = time.monotonic() - start

    figures(**ledger.figures, ended_seconds=ended)
    assert [attempt.status for attempt in ledger.attempts] == [201] * HELD
    # uvicorn in one process ends, when all is done, by the signal that it was sent.
    assert code == (-signal.SIGTERM if serving == ("uvicorn", 1) else 0)
    judge()


@pytest.mark.faults
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_shutdown_under_load_cuts_nothing_that_is_stored(
    database, workers, service, ledger, judge, figures
):
    """SIGTERM under load ends the service within 15 seconds; a write that got no answer has not been begun."""
    service = replace(service, server="splice", workers=workers)

    async with service.running() as running, under_load(service, ledger):
        await anyio.sleep(1)
        start = time.monotonic()
        running.terminate()
        # A client whose connection uvicorn takes just after the signal goes on until the time to finish is over.
        code = await running.ended(GRACE_SECONDS + BOUND_SECONDS)
        ended = time.monotonic() - start

    figures(**ledger.figures, ended_seconds=ended)
    assert (code, ledger.out_of_order) == (0, {})
    judge()
    assert not ledger.named("unknown") & set(Witness.of(database.driver, database.url).names())


@pytest.mark.faults
@pytest.mark.parametrize("database", ["asyncpg"], indirect=True)
async def test_a_request_without_an_end_does_not_hold_the_service(
    database, service, witness, ledger, figures
):
    """After SIGTERM a request that goes on for minutes is cut, or 503, within 15 seconds, and stores nothing."""
    service = replace(service, server="splice")

    async with service.running() as running, client_of(service) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: write(client, ledger, "/held", seconds=120))
            await anyio.sleep(0.5)
            start = time.monotonic()
            running.terminate()
            code = await running.ended(GRACE_SECONDS + BOUND_SECONDS)
        ended = time.monotonic() - start

    figures(**ledger.figures, ended_seconds=ended)
    assert code == 0
    assert not ledger.named("acknowledged")
    assert not ledger.out_of_order
    assert ledger.compare(witness.names()) == Comparison()
