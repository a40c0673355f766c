"""A table is altered while it is read and written: what drivers and databases have prepared for it is outdated."""

from __future__ import annotations

from collections import Counter

import anyio
import httpx2
import pytest
from anyio.to_thread import run_sync

from tests.faults.ledger import code_of
from tests.faults.load import client_of, under_load

ROUNDS = 3
READERS = 4
PAUSE_SECONDS = 0.15

_ADDED = ("ALTER TABLE entries ADD COLUMN added INTEGER", "ALTER TABLE entries DROP COLUMN added")
_WITH_DEFAULT = "ALTER TABLE entries ADD COLUMN added VARCHAR(10) DEFAULT 'x' NOT NULL"
ALTERATIONS = {
    "sqlite": (
        *_ADDED,
        _WITH_DEFAULT,
        "CREATE INDEX added ON entries (added)",
        "DROP INDEX added",
        _ADDED[1],
    ),
    "postgresql": (
        "ALTER TABLE entries ALTER COLUMN note TYPE VARCHAR(500)",
        *_ADDED,
        "ALTER TABLE entries ALTER COLUMN name TYPE VARCHAR(150)",
        "ALTER TABLE entries ALTER COLUMN id TYPE BIGINT",
        _WITH_DEFAULT,
        "ALTER TABLE entries ALTER COLUMN note TYPE TEXT",
        _ADDED[1],
        "ALTER TABLE entries ALTER COLUMN id TYPE INTEGER",
        "ALTER TABLE entries ALTER COLUMN name TYPE VARCHAR(100)",
    ),
    "mariadb": (
        "ALTER TABLE entries MODIFY note VARCHAR(500)",
        *_ADDED,
        "ALTER TABLE entries MODIFY id BIGINT AUTO_INCREMENT",
        _WITH_DEFAULT,
        "ALTER TABLE entries MODIFY note TEXT",
        _ADDED[1],
        "ALTER TABLE entries MODIFY id INTEGER AUTO_INCREMENT",
    ),
}


@pytest.mark.faults
async def test_tables_that_are_altered_cost_no_request(database, service, witness, ledger, judge, figures):
    """While columns are added, dropped and given other types, every read and every write of the table succeeds."""
    told: Counter[str] = Counter()
    alterations = ALTERATIONS[witness.dialect] * ROUNDS

    async with service.running(), client_of(service) as client:
        row = (await client.post("/entries", json={"name": "changed"})).headers["location"]
        async with under_load(service, ledger, writers=4), anyio.create_task_group() as group:
            for number in range(READERS):
                group.start_soon(_ask, client, row, number, told)
            for alteration in alterations:
                await anyio.sleep(PAUSE_SECONDS)
                await run_sync(witness.run, alteration)
            group.cancel_scope.cancel()
        await client.delete(row)

    writes = Counter(f"{attempt.status} {attempt.code}" for attempt in ledger.attempts)
    figures(alterations=len(alterations), **ledger.figures, others=told.total())
    assert writes.keys() == {"201 None"}, writes
    assert told.keys() == {"200 None"}, told
    judge()


async def _ask(client: httpx2.AsyncClient, row: str, number: int, told: Counter[str]) -> None:
    """Read and change, without a pause."""
    turn = 0
    while True:
        turn += 1
        for answer in (
            await client.get(row),
            await client.get("/entries", params={"limit": 3, "name__contains": "-"}),
            await client.patch(row, json={"note": f"{number} {turn}"}),
        ):
            told[f"{answer.status_code} {code_of(answer)}"] += 1
