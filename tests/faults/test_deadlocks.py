"""Two kinds of changes that lock the same rows in opposite order, so that the database has to end one of them."""

from __future__ import annotations

import time

import anyio
import httpx2
import pytest

from tests.faults.ground import SERVERS
from tests.faults.ledger import Comparison, Ledger
from tests.faults.load import client_of
from tests.faults.witness import Witness

CLIENTS = 8
CHANGES = 15
ROWS = 2
"""Few, so that each change of an entry meets one of the order that bears its number."""

# A change of either locks the row of the same number in the other table, as bookkeeping in triggers does, and tells
# in a third table that it was made.
_TRIGGERS = {
    "postgresql": """
CREATE FUNCTION keep_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_sleep(0.002);
    PERFORM 1 FROM {other} WHERE id = NEW.id FOR UPDATE;
    INSERT INTO changes VALUES (NEW.{column});
    RETURN NEW;
END $$;
CREATE TRIGGER keep_{table} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION keep_{table}()
""",
    "mariadb": """
CREATE TRIGGER keep_{table} BEFORE UPDATE ON {table} FOR EACH ROW BEGIN
    DECLARE ignored INTEGER;
    DO SLEEP(0.002);
    SELECT id INTO ignored FROM {other} WHERE id = NEW.id FOR UPDATE;
    INSERT INTO changes VALUES (NEW.{column});
END
""",
}
_DEADLOCKS = {
    "postgresql": "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
    "mariadb": "SELECT variable_value FROM information_schema.global_status "
    "WHERE variable_name = 'Innodb_deadlocks'",
}


@pytest.mark.faults
@pytest.mark.parametrize("database", SERVERS, indirect=True)
async def test_real_deadlocks_cost_no_change(database, service, witness, ledger, figures):
    """Changes that the database has to end for a deadlock are made again: all are answered 200, each is made once."""
    async with service.running(), client_of(service) as client:
        for number in range(ROWS):
            await client.post("/entries", json={"name": str(number)})
            await client.post("/orders", json={"name": str(number)})
        _prepare(witness)
        before = _deadlocks(witness)
        async with anyio.create_task_group() as group:
            for number in range(CLIENTS):
                group.start_soon(_change, client, ledger, number)

    deadlocks = _deadlocks(witness) - before
    figures(**ledger.figures, deadlocks=deadlocks)
    assert deadlocks > 5
    assert {(attempt.status, attempt.code) for attempt in ledger.attempts} == {(200, None)}
    assert ledger.compare(witness.values("SELECT name FROM changes")) == Comparison()
    assert service.failures == []


async def _change(client: httpx2.AsyncClient, ledger: Ledger, number: int) -> None:
    """One half of the clients changes entries, the other half the orders of the same numbers."""
    path, field = (("/entries", "note"), ("/orders", "name"))[number % 2]
    for turn in range(CHANGES):
        name, start = ledger.new_name(), time.monotonic()
        answer = await client.patch(f"{path}/{1 + turn % ROWS}", json={field: name})
        ledger.note(name, answer, time.monotonic() - start)


def _prepare(witness: Witness) -> None:
    trigger = _TRIGGERS[witness.dialect]
    if witness.dialect == "postgresql":
        # It looks for deadlocks after a second only, and each of them would take so long.
        witness.run(f"ALTER DATABASE {witness.engine.url.database} SET deadlock_timeout = '20ms'")
        witness.kill_sessions()
    witness.run(
        "CREATE TABLE changes (name VARCHAR(100))",
        trigger.format(table="entries", column="note", other="orders"),
        trigger.format(table="orders", column="name", other="entries"),
    )


def _deadlocks(witness: Witness) -> int:
    """How many the database says that it has ended; PostgreSQL's sessions tell of theirs when they have ended."""
    if witness.dialect == "postgresql":
        time.sleep(1)
    return int(witness.values(_DEADLOCKS[witness.dialect])[0])
