"""Work that is given up in its middle: by clients whose time is over, and by the service itself."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import anyio
import httpx2
import pytest

from tests.faults.ground import SERVERS
from tests.faults.load import at_once, client_of, write
from tests.faults.service import Service
from tests.faults.witness import Witness

CLIENTS = 20
LINES = 131_072
ROWS = 5
GIVEN_UP_SECONDS = 0.3
PROGRAM = "tests.faults.own_routes:app"
LEFT_BY_ASYNCPG = "future: <Future finished exception=ConnectionError('unexpected connection_lost() call')>"
"""What asyncpg leaves behind where opening a connection is cancelled; it tells nothing."""


@pytest.mark.faults
async def test_downloads_that_are_given_up_leave_nothing_behind(database, service, witness, figures):
    """Twenty clients that give up in the middle of a long download hold no connection, neither then nor afterwards."""
    async with service.running(), client_of(service) as client:
        _fill(witness)
        async with anyio.create_task_group() as group:
            for _ in range(CLIENTS):
                group.start_soon(_stop_reading, client)
            await anyio.sleep(1)
            held = await _quiet(client)
        left = await _quiet(client)
        idle = [session for session in witness.sessions() if session.is_idle_in_transaction]
        whole = await _download(client)

    figures(downloads=CLIENTS, held_by_stalled=held, left=left, rows=whole)
    assert (held, left, idle, whole) == (0, 0, [], LINES)
    assert _unforeseen(service) == []


@pytest.mark.faults
@pytest.mark.parametrize("database", SERVERS, indirect=True)
async def test_clients_that_give_up_waiting_leave_nothing_behind(
    database, service, witness, ledger, judge, figures
):
    """Clients whose time is over while a statement waits for a lock leave no connection in use once it is over."""
    async with service.running(), client_of(service) as client:
        with witness.locking("entries"):
            client.timeout = GIVEN_UP_SECONDS
            gone = await at_once(CLIENTS, lambda _: write(client, ledger))
        client.timeout = 10
        start = time.monotonic()
        left = await _quiet(client)
        quiet_seconds = time.monotonic() - start
        idle = [session for session in witness.sessions() if session.is_idle_in_transaction]
        after = await at_once(CLIENTS, lambda _: write(client, ledger))

    figures(**ledger.figures, left=left, quiet_seconds=quiet_seconds)
    assert {attempt.outcome for attempt in gone} == {"unknown"}
    assert {attempt.status for attempt in after} == {201}
    assert (left, idle) == (0, [])
    judge()


@pytest.mark.faults
async def test_a_request_that_is_cancelled_leaves_nothing_behind(database, service, witness, figures):
    """What a middleware cancels in the middle of a statement stores nothing, and its connection is clean or gone."""
    service = replace(service, program=PROGRAM)
    async with service.running(), client_of(service) as client:
        rows = await _counters(client)
        cancelled = await at_once(ROWS, lambda number: _cancelled(client, rows[number]))
        left = await _quiet(client)
        idle = [session for session in witness.sessions() if session.is_idle_in_transaction]
        after = await at_once(CLIENTS, lambda number: client.get(rows[number % ROWS]))

    figures(cancelled=ROWS, left=left, statements_still_running=_still_running(witness))
    assert {answer.status_code for answer in cancelled} == {504}
    assert (left, idle) == (0, [])
    assert {(answer.status_code, answer.json()["value"]) for answer in after} == {(200, 7)}
    assert service.failures == []


@pytest.mark.faults
async def test_a_request_that_is_cancelled_keeps_no_lock(database, service, witness, figures):
    """A statement whose request was cancelled keeps its locks until its own time is over, and no longer."""
    service = replace(service, program=PROGRAM, options={"STATEMENT_TIMEOUT_SECONDS": "2"})
    async with service.running(), client_of(service) as client:
        row, *_ = await _counters(client)
        await _cancelled(client, row)
        start = time.monotonic()
        changed = await client.patch(row, json={"value": 8})
        seconds = time.monotonic() - start

    figures(status=changed.status_code, seconds=seconds)
    assert (changed.status_code, seconds < 5) == (200, True)
    assert service.failures == []


@pytest.mark.faults
async def test_a_statement_that_its_route_gives_up_leaves_nothing_behind(database, service, witness, figures):
    """A route that gives up a statement costs its own request at most, and its connection is clean or gone."""
    service = replace(service, program=PROGRAM)
    async with service.running(), client_of(service) as client:
        row, *_ = await _counters(client)
        given_up = await at_once(ROWS, lambda _: client.get(f"/impatient?seconds={GIVEN_UP_SECONDS}"))
        left = await _quiet(client)
        idle = [session for session in witness.sessions() if session.is_idle_in_transaction]
        after = await at_once(CLIENTS, lambda _: client.get(row))

    figures(**Counter(f"answers_{answer.status_code}" for answer in given_up), left=left)
    assert {answer.status_code for answer in given_up} <= {200, 503}
    assert (left, idle) == (0, [])
    assert {(answer.status_code, answer.json()["value"]) for answer in after} == {(200, 7)}
    assert service.failures == []


async def _counters(client: httpx2.AsyncClient) -> list[str]:
    made = [await client.post("/counters", json={"value": 7}) for _ in range(ROWS)]
    return [answer.headers["location"] for answer in made]


async def _cancelled(client: httpx2.AsyncClient, row: str) -> httpx2.Response:
    """Change a row by a request that is cancelled while it waits for a slow statement."""
    return await client.post(f"{row}/slow", headers={"X-Seconds": str(GIVEN_UP_SECONDS)})


def _fill(witness: Witness) -> None:
    witness.run("INSERT INTO orders (name) VALUES ('a line of a long download')")
    rows = 1
    while rows < LINES:
        witness.run("INSERT INTO orders (name) SELECT name FROM orders")
        rows *= 2


async def _stop_reading(client: httpx2.AsyncClient) -> None:
    """Begin a download, read a little, then nothing for a while, then hang up."""
    async with client.stream("GET", "/orders", headers={"Accept": "application/jsonl"}) as answer:
        assert answer.status_code == 200
        async for _ in answer.aiter_bytes(1000):
            break
        await anyio.sleep(1.5)


async def _download(client: httpx2.AsyncClient) -> int:
    async with client.stream("GET", "/orders", headers={"Accept": "application/jsonl"}) as answer:
        return sum([part.count(b"\n") async for part in answer.aiter_bytes()])


def _still_running(witness: Witness) -> int:
    """How many slow statements the server goes on with, though nobody waits for them; its own limits end them."""
    query = _RUNNING.get(witness.dialect)
    return witness.values(query)[0] if query else 0


_RUNNING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'",
}


def _unforeseen(service: Service) -> list[str]:
    known = service.log.read_text().count(LEFT_BY_ASYNCPG)
    return service.failures if len(service.failures) != known else []


async def _quiet(client: httpx2.AsyncClient, within_seconds: float = 8) -> int:
    """How many connections are in use once all is quiet."""
    count = -1
    with anyio.move_on_after(within_seconds):
        while count:
            count = (await client.get("/pool")).json()["checked_out"]
            await anyio.sleep(0.05)
    return count
