"""Many change a few rows under SERIALIZABLE, where the database refuses what it cannot put in an order."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import anyio
import httpx2
import pytest

from tests.databases.servers import reserved_port
from tests.faults.ground import SERVERS
from tests.faults.ledger import code_of
from tests.faults.load import client_of
from tests.faults.service import Service

CLIENTS = 12
ROWS = 3
CHANGES = 12

pytestmark = pytest.mark.faults
on_servers = pytest.mark.parametrize("database", SERVERS, indirect=True)


@pytest.fixture
def serializable(service: Service) -> Service:
    """The service, each of whose units of work is SERIALIZABLE."""
    level = {"ISOLATION_LEVEL": "SERIALIZABLE"}
    return replace(service, program="tests.faults.own_routes:app", options=level)


@on_servers
async def test_generated_changes_of_hot_rows_all_succeed(database, serializable, witness, figures):
    """Under SERIALIZABLE, changes of a few rows by many clients at once all succeed, and each is made once."""
    async with serializable.running(), client_of(serializable) as client:
        for _ in range(ROWS):
            await client.post("/versioned_counters", json={"value": 0})
        told = await _contend(
            lambda row, number: client.patch(f"/versioned_counters/{row}", json={"value": number})
        )

    figures(**told.figures, rolled_back=witness.rolled_back())
    assert told.answers == {"200 None": CLIENTS * CHANGES}
    stored = dict(witness.rows("SELECT id, version FROM versioned_counters"))
    assert stored == {row: 1 + made for row, made in told.made.items()}
    assert serializable.failures == []


@on_servers
async def test_a_function_given_to_run_is_repeated(database, serializable, witness, figures):
    """A read-modify-write given to `db.run` succeeds under SERIALIZABLE, and no increment is lost or made twice."""
    async with serializable.running(), client_of(serializable) as client:
        for _ in range(ROWS):
            await client.post("/counters", json={"value": 0})
        told = await _contend(lambda row, _: client.post(f"/counters/{row}/increment-again"))

    figures(**told.figures, rolled_back=witness.rolled_back())
    assert told.answers == {"200 None": CLIENTS * CHANGES}
    assert dict(witness.rows("SELECT id, value FROM counters")) == told.made
    assert serializable.failures == []


@on_servers
async def test_a_route_of_ones_own_is_told_to_come_again(database, serializable, witness, figures):
    """A route of one's own is not repeated: it answers 2xx, 409, or 503 with Retry-After, and no increment is lost."""
    async with serializable.running(), client_of(serializable) as client:
        for _ in range(ROWS):
            await client.post("/counters", json={"value": 0})
        told = await _contend(lambda row, _: client.post(f"/counters/{row}/increment"))

    figures(**told.figures, rolled_back=witness.rolled_back())
    assert told.answers.keys() <= {"200 None", "409 conflict", "503 too-busy"}
    assert told.answers["200 None"]
    assert told.without_retry_after == 0
    assert dict(witness.rows("SELECT id, value FROM counters")) == told.made
    assert serializable.failures == []


@pytest.mark.parametrize(
    "database",
    SERVERS,
    indirect=True,
)
async def test_services_that_start_together_under_serializable_start(
    database, serializable, witness, figures
):
    """Two services that wait for each other to make the tables both start, whatever the isolation level is."""
    with ExitStack() as ends, anyio.fail_after(20):
        running = [
            ends.enter_context(replace(serializable, port=ends.enter_context(reserved_port())).started())
            for _ in range(2)
        ]
        with witness.making_tables() as waiting:
            while waiting() < len(running):  # noqa: ASYNC110  # nothing else tells
                await anyio.sleep(0.05)
        seconds = [await each.ready() for each in running]

    figures(ready_seconds=max(seconds))
    assert serializable.failures == []


@dataclass
class _Told:
    """What the clients were told."""

    answers: Counter[str] = field(default_factory=Counter)
    made: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0
    slowest_seconds: float = 0

    def note(self, row: int, answer: httpx2.Response, seconds: float) -> None:
        self.answers[f"{answer.status_code} {code_of(answer)}"] += 1
        self.made[row] += answer.status_code == 200
        self.without_retry_after += answer.status_code == 503 and "retry-after" not in answer.headers
        self.slowest_seconds = max(self.slowest_seconds, seconds)

    @property
    def figures(self) -> dict[str, float]:
        counts = {f"answers_{name.split()[0]}": count for name, count in sorted(self.answers.items())}
        return counts | {"slowest_seconds": self.slowest_seconds}


async def _contend(ask: Callable[[int, int], Awaitable[httpx2.Response]]) -> _Told:
    """Let the clients ask one row after the other, all of them at the same time."""
    told = _Told()

    async def ask_in_turns(client: int) -> None:
        for number in range(CHANGES):
            row = 1 + (client + number) % ROWS
            start = time.monotonic()
            told.note(row, await ask(row, 1 + client * CHANGES + number), time.monotonic() - start)

    async with anyio.create_task_group() as group:
        for client in range(CLIENTS):
            group.start_soon(ask_in_turns, client)
    return told
