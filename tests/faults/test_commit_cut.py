"""The connection is lost while the database commits."""

from __future__ import annotations

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.faults.load import client_of, write
from tests.faults.witness import Witness

WRITES = 3
DRIVER_TEXT = (
    "terminating connection",
    "Lost connection",
    "was killed",
    "interrupted",
    "closed in the middle",
)


@pytest.mark.faults
@pytest.mark.parametrize("way", ["session killed", "server stopped"])
async def test_a_commit_that_is_cut_is_unknown(own, way, service, ledger, judge, figures):
    """A write whose COMMIT was cut off is 503 commit-unknown, without Retry-After, and without a driver's words."""
    witness = Witness.of(own.driver, own.url)

    async with service.running(), client_of(service) as client:
        with witness.delaying_commits():
            async with anyio.create_task_group() as group:
                for _ in range(WRITES):
                    group.start_soon(write, client, ledger)
                await anyio.sleep(1)
                await run_sync(witness.kill_sessions if way == "session killed" else own.server.stop)
            await run_sync(own.server.start)

    figures(**ledger.figures)
    told = [(attempt.status, attempt.code, attempt.retry_after) for attempt in ledger.attempts]
    assert told == [(503, "commit-unknown", None)] * WRITES
    judge()
    log = service.log.read_text()
    assert not [text for text in DRIVER_TEXT if text in log]
