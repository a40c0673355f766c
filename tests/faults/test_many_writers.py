"""Many writers in several processes on one SQLite file."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from tests.faults.load import under_load


@pytest.mark.faults
@pytest.mark.parametrize("database", ["aiosqlite"], indirect=True)
async def test_one_sqlite_file_has_room_for_many_writers(database, service, ledger, judge, figures):
    """Thirty-two writers in three processes lose nothing, and none is answered 500."""
    async with replace(service, workers=3).running(), under_load(service, ledger, writers=32):
        await anyio.sleep(4)

    figures(**ledger.figures)
    assert not ledger.out_of_order
    assert len(ledger.named("acknowledged")) > 100
    judge()
