"""PgBouncer stands between the service and its database, and lends each transaction another connection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import anyio
import httpx2
import pytest

from tests.faults.load import client_of, under_load, write
from tests.faults.pgbouncer import Bouncer, find_pgbouncer, pgbouncer

DRIVERS = ("asyncpg", "psycopg-async")
CONNECTIONS = 4
POOL = 10
WRITERS = 12
READERS = 8
SECONDS = 4
LOCKS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Of this database alone: other tests share its server."""


@pytest.fixture
def bouncer(database) -> Iterator[Bouncer]:
    """A PgBouncer in transaction mode, with fewer connections to the database than the service has to it."""
    program = find_pgbouncer()
    if program is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    with pgbouncer(program, database.url, connections=CONNECTIONS) as running:
        yield running


@pytest.mark.faults
@pytest.mark.parametrize("database", DRIVERS, indirect=True)
async def test_pgbouncer_in_transaction_mode_costs_no_request(
    bouncer, service, witness, ledger, judge, figures
):
    """Behind a PgBouncer in transaction mode, with fewer connections than clients, no read and no write fails."""
    service = replace(
        service, database=bouncer.text, workers=2, options={"PGBOUNCER": "1", "POOL_SIZE": str(POOL)}
    )
    read: Counter[int] = Counter()

    async with service.running(), client_of(service) as client:
        row = (await client.post("/counters", json={"value": 0})).headers["location"]
        async with under_load(service, ledger, writers=WRITERS), anyio.create_task_group() as group:
            for _ in range(READERS):
                group.start_soon(_read, client, row, read)
            await anyio.sleep(SECONDS)
            connections = bouncer.connections()
            group.cancel_scope.cancel()

    figures(**ledger.figures, read=read[200], failed=read.total() - read[200], connections=connections)
    assert read.keys() == {200}
    assert {attempt.status for attempt in ledger.attempts} == {201}
    assert connections <= CONNECTIONS
    judge()


@pytest.mark.faults
@pytest.mark.parametrize("database", DRIVERS, indirect=True)
async def test_limits_of_time_hold_behind_pgbouncer(bouncer, service, witness, ledger, judge, figures):
    """A statement that waits for too long is ended behind a PgBouncer too, which passes no settings on at the start."""
    options = {"PGBOUNCER": "1", "STATEMENT_TIMEOUT_SECONDS": "1"}

    service = replace(service, database=bouncer.text, options=options)
    async with service.running(), client_of(service) as client:
        with witness.locking("entries"):
            refused = await write(client, ledger)
        stored = await write(client, ledger)

    figures(refused_after_seconds=refused.seconds)
    assert (refused.status, stored.status) == (503, 201)
    assert refused.seconds < 3
    judge()


@pytest.mark.parametrize("database", DRIVERS, indirect=True)
async def test_migrations_do_not_run_through_pgbouncer(bouncer, service, witness, figures):
    """Their lock would stay with a connection of everybody's: the start ends, and says what to do; nothing is made."""
    service = replace(service, database=bouncer.text, program="tests.faults.migrated:app")

    with service.started() as running:
        code = await running.ended(20)

    figures(code=code)
    assert code != 0
    assert "migrations do not run through PgBouncer" in service.log.read_text()
    assert witness.values("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [0]
    assert witness.values(LOCKS) == [0]


async def _read(client: httpx2.AsyncClient, row: str, read: Counter[int]) -> None:
    while True:
        for answer in (
            await client.get("/entries", params={"limit": 5, "count": "exact"}),
            await client.get(row),
            await client.patch(row, json={"value": read.total()}),
        ):
            read[answer.status_code] += 1
