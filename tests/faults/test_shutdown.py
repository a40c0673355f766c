"""The service is asked to end while it works."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

import anyio
import pytest

from tests.faults.load import client_of, under_load, write

HELD = 5
BOUND_SECONDS = 5


@pytest.mark.faults
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("server", ["splice", "uvicorn"])
async def test_what_is_in_flight_is_finished(
    database, server, workers, service, witness, ledger, judge, figures
):
    """After SIGTERM every write that has begun is answered 2xx, and the service ends by itself within 5 seconds."""
    service = replace(service, server=server, workers=workers)

    async with service.running() as running, client_of(service) as client:
        async with anyio.create_task_group() as group:
            for _ in range(HELD):
                group.start_soon(lambda: write(client, ledger, "/held", seconds=1))
            await anyio.sleep(0.5)
            start = time.monotonic()
            running.terminate()
            code = await running.ended(BOUND_SECONDS)
        seconds = time.monotonic() - start

    figures(**ledger.figures, ended_seconds=seconds)
    assert [attempt.status for attempt in ledger.attempts] == [201] * HELD
    # uvicorn in one process ends, when all is done, by the signal that it was sent.
    assert code == (-signal.SIGTERM if (server, workers) == ("uvicorn", 1) else 0)
    judge()


@pytest.mark.faults
async def test_a_shutdown_under_load_loses_nothing(database, service, ledger, judge, figures):
    """SIGTERM under load ends the service within 5 seconds, and all that it acknowledged is stored."""
    service = replace(service, server="splice", workers=2)

    async with service.running() as running, under_load(service, ledger):
        await anyio.sleep(1)
        start = time.monotonic()
        running.terminate()
        code = await running.ended(BOUND_SECONDS)
        seconds = time.monotonic() - start

    figures(**ledger.figures, ended_seconds=seconds)
    assert (code, ledger.out_of_order) == (0, {})
    judge()
