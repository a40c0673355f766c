"""A service that is asked to end goes on for as long as balancers need to notice."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

import anyio
import pytest

from tests.faults.load import client_of, under_load
from tests.faults.service import Service

DRAIN_SECONDS = 4
PROBES = 4
BOUND_SECONDS = 10
SERVINGS = [("splice", 1), ("splice", 2), ("uvicorn", 1), ("uvicorn", 2)]


@pytest.mark.faults
@pytest.mark.parametrize("serving", SERVINGS, ids=lambda serving: f"{serving[0]} with {serving[1]}")
@pytest.mark.parametrize("database", ["asyncpg"], indirect=True)
async def test_a_service_that_drains_is_not_ready_and_serves(
    database, serving, service, ledger, judge, figures
):
    """For as long as it drains, /ready is 503, /health 200 and every write 201; then the service ends by itself."""
    options = {"DRAIN_SECONDS": str(DRAIN_SECONDS)}
    drained = replace(service, program="tests.faults.drained:app", server=serving[0], workers=serving[1])

    async with replace(drained, options=options).running() as running, client_of(drained) as client:
        await _said(drained, "startup complete", times=serving[1])
        async with under_load(drained, ledger, writers=4):
            running.terminate()
            await _said(drained, "not ready from now on", times=serving[1])
            start = time.monotonic()
            probes = [
                [(await client.get(path)).status_code for _ in range(PROBES)]
                for path in ("/ready", "/health")
            ]
            await anyio.sleep(1)
        lasted = time.monotonic() - start
        code = await running.ended(BOUND_SECONDS)
        ended = time.monotonic() - start

    figures(**ledger.figures, ended_seconds=ended)
    assert probes == [[503] * PROBES, [200] * PROBES]
    assert lasted < DRAIN_SECONDS < ended + 1
    assert {attempt.status for attempt in ledger.attempts} == {201}
    assert code == (-signal.SIGTERM if serving == ("uvicorn", 1) else 0)
    judge()


@pytest.mark.faults
@pytest.mark.parametrize("database", ["asyncpg"], indirect=True)
async def test_a_second_signal_ends_a_service_that_drains(database, service, figures):
    """Who is in a hurry sends the signal twice: the service then ends at once."""
    drained = replace(service, program="tests.faults.drained:app", options={"DRAIN_SECONDS": "30"})

    async with drained.running() as running:
        start = time.monotonic()
        running.terminate()
        await anyio.sleep(0.5)
        running.terminate()
        await running.ended(BOUND_SECONDS)
        ended = time.monotonic() - start

    figures(ended_seconds=ended)
    assert ended < BOUND_SECONDS
    assert service.failures == []


async def _said(service: Service, words: str, *, times: int) -> None:
    """Wait until each worker has said something: a supervisor passes signals on when it comes to it."""
    with anyio.fail_after(BOUND_SECONDS):
        while service.log.read_text().count(words) < times:  # noqa: ASYNC110  # nothing else tells
            await anyio.sleep(0.02)
