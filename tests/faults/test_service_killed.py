"""The service is killed, and what it has acknowledged is there."""

from __future__ import annotations

import anyio
import pytest

from tests.faults.load import client_of, under_load, until_written


@pytest.mark.faults
async def test_a_killed_service_has_lost_nothing(database, service, witness, ledger, judge, figures):
    """Killed by `kill -9` under load, twice, the service has stored all that it acknowledged, and starts again."""
    async with under_load(service, ledger):
        for _ in range(2):
            async with service.running() as running:
                await anyio.sleep(1)
                running.kill()
        async with service.running(), client_of(service) as client:
            first_write = await until_written(client, ledger)

    figures(**ledger.figures, first_write_seconds=first_write)
    assert len(ledger.named("acknowledged")) > 20
    assert not ledger.out_of_order
    judge()
