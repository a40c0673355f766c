"""Clients that hang up: in the middle of what they send, before the answer, in the middle of the answer."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from splice.testing.servers import HOST
from tests.faults.ledger import Ledger
from tests.faults.load import client_of, under_load

DROPPED = 500
AT_ONCE = 20


@pytest.mark.faults
async def test_five_hundred_dropped_requests_harm_nobody(database, service, witness, ledger, judge, figures):
    """Of 500 requests that are dropped half-way nobody else notices anything, and no connection is left behind."""
    gate = anyio.CapacityLimiter(AT_ONCE)

    async with service.running(), client_of(service) as client:
        witness.run(*[f"INSERT INTO orders (name) VALUES ('{'x' * 100}')"] * 3)
        for _ in range(10):
            witness.run("INSERT INTO orders (name) SELECT name FROM orders")
        async with under_load(service, ledger, writers=4), anyio.create_task_group() as group:
            for number in range(DROPPED):
                await gate.acquire_on_behalf_of(number)
                group.start_soon(_drop, service.port, WAYS[number % len(WAYS)], number, ledger, gate)
        left = await _checked_out(client)
        idle = [session for session in witness.sessions() if session.is_idle_in_transaction]
        after = await client.get("/orders")

    figures(dropped=DROPPED, **ledger.figures, connections_left=left)
    # Writers of SQLite take turns, and who has waited for five seconds is told so.
    allowed = {201, 503} if database.driver.dialect == "sqlite" else {201}
    assert {attempt.status for attempt in ledger.attempts if attempt.reached} <= allowed
    assert ledger.out_of_order == {}
    assert (left, idle, after.status_code) == (0, [], 200)
    judge()


async def _drop(port: int, drop: Drop, number: int, ledger: Ledger, gate: anyio.CapacityLimiter) -> None:
    try:
        async with await SocketStream.from_socket(_connected(port)) as stream:
            await drop(stream, ledger)
            if number % 2:
                _reset(stream)
    finally:
        gate.release_on_behalf_of(number)


async def _half_a_body(stream: SocketStream, ledger: Ledger) -> None:
    name = ledger.new_name()
    ledger.note_unreached(name)
    await stream.send(_post(name)[:-10])
    await anyio.sleep(0.01)


async def _no_reading(stream: SocketStream, ledger: Ledger) -> None:
    await stream.send(_post(ledger.new_name()))


async def _half_an_answer(stream: SocketStream, _: Ledger) -> None:
    await stream.send(f"GET /orders HTTP/1.1\r\nHost: {HOST}\r\nAccept: application/jsonl\r\n\r\n".encode())
    assert (await stream.receive(1000)).startswith(b"HTTP/1.1 200")


Drop = Callable[[SocketStream, Ledger], Awaitable[None]]
WAYS: tuple[Drop, ...] = (_half_a_body, _no_reading, _half_an_answer)


def _connected(port: int) -> socket.socket:
    """A connection that takes little before it is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((HOST, port))
    return connection


def _post(name: str) -> bytes:
    body = json.dumps({"name": name})
    head = f"POST /entries HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def _reset(stream: SocketStream) -> None:
    """Close without a word: the other side is told by a reset."""
    raw: socket.socket = stream.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _checked_out(client, within_seconds: float = 5) -> int:
    """How many connections are in use once all is quiet."""
    with anyio.move_on_after(within_seconds):
        while (await client.get("/pool")).json()["checked_out"]:  # noqa: ASYNC110  # nothing else tells
            await anyio.sleep(0.1)
    return (await client.get("/pool")).json()["checked_out"]
