"""The database goes away and comes back; the service stays."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.faults.load import client_of, under_load, until_written

AWAY_SECONDS = 1.5


@pytest.mark.faults
@pytest.mark.parametrize("way", ["stop", "kill"])
async def test_a_service_outlives_its_database(own, way, service, ledger, judge, figures):
    """A database that is stopped or killed under load costs 503 with Retry-After, and no restart of the service."""
    async with service.running(), client_of(service) as client:
        async with under_load(service, ledger):
            await anyio.sleep(1)
            await run_sync(getattr(own.server, way))
            await anyio.sleep(AWAY_SECONDS)
            away = await client.get("/ready"), await client.get("/health")
            await run_sync(own.server.start)
            recovered = await until_written(client, ledger, within_seconds=5)
            await anyio.sleep(1)
        back = await client.get("/ready")

    figures(**ledger.figures, recovered_seconds=recovered)
    assert [answer.status_code for answer in (*away, back)] == [503, 200, 200]
    assert not ledger.out_of_order
    assert len(ledger.named("acknowledged")) > 20
    judge()
