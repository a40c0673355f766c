"""A table is altered while it is read and written: what drivers and databases have prepared for it is outdated."""

from __future__ import annotations

from collections import Counter

import anyio
import anyio.lowlevel
import httpx2
import pytest
from anyio.to_thread import run_sync

from tests.faults.ledger import Attempt, Ledger, code_of
from tests.faults.load import client_of, under_load, write

ROUNDS = 2
READERS = 2
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
    """While columns come, go and change their type, reads and writes succeed; routes of one's own are 503 at worst."""
    told: Counter[str] = Counter()
    own: list[Attempt] = []
    alterations = ALTERATIONS[witness.dialect] * ROUNDS

    async with service.running(), client_of(service) as client:
        row = (await client.post("/entries", json={"name": "changed"})).headers["location"]
        async with under_load(service, ledger, writers=3), anyio.create_task_group() as group:
            for number in range(READERS):
                group.start_soon(_ask, client, row, number, told)
            group.start_soon(_hold, client, ledger, own)
            for alteration in alterations:
                await anyio.sleep(PAUSE_SECONDS)
                await run_sync(witness.run, alteration)
            group.cancel_scope.cancel()
        await client.delete(row)

    generated = [attempt for attempt in ledger.attempts if attempt not in own]
    figures(alterations=len(alterations), **ledger.figures, others=told.total())
    assert {(attempt.status, attempt.code) for attempt in generated} == {(201, None)}
    assert not ledger.out_of_order
    assert told.keys() == {"200 None"}, told
    judge()


async def _hold(client: httpx2.AsyncClient, ledger: Ledger, own: list[Attempt]) -> None:
    """Write by a route of one's own, without a pause."""
    while True:
        with anyio.CancelScope(shield=True):
            own.append(await write(client, ledger, "/held", seconds=0))
        await anyio.lowlevel.checkpoint()


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
