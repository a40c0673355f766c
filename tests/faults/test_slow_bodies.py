"""Clients that send their body a byte at a time."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace

import anyio
import httpx2
import pytest

from splice.testing.servers import HOST
from tests.faults.ledger import Ledger
from tests.faults.load import client_of, under_load

CLIENTS = 60
"""More than there are connections to the database."""

BYTES = 120
PAUSE_SECONDS = 0.02


@pytest.mark.faults
@pytest.mark.parametrize("path", ["/entries", "/held"])
async def test_slow_bodies_hold_no_connection(database, path, service, ledger, judge, figures):
    """While sixty bodies trickle in, no connection to the database is held, and others are served as ever.

    In a route of one's own, if the body is declared; one that reads it by itself has its place at the gate meanwhile.
    """
    service = replace(service, program="tests.faults.own_routes:app")

    async with service.running(), client_of(service) as client, anyio.create_task_group() as group:
        for _ in range(CLIENTS):
            group.start_soon(_trickle, service.port, path, ledger)
        await anyio.sleep(0.3)
        held = (await client.get("/pool")).json()["checked_out"]
        async with under_load(service, ledger, writers=4):
            await anyio.sleep(BYTES * PAUSE_SECONDS / 2)
        others = list(ledger.attempts)

    slowest = max(attempt.seconds for attempt in others)
    figures(**ledger.figures, others=len(others), others_seconds=slowest, connections_held=held)
    assert held == 0
    assert slowest < 2.5
    assert {attempt.status for attempt in ledger.attempts} == {201}
    assert len(ledger.attempts) - len(others) == CLIENTS
    judge()


async def _trickle(port: int, path: str, ledger: Ledger) -> None:
    """Send an entry, a byte at a time, and take the answer."""
    name, start = ledger.new_name(), time.monotonic()
    body = json.dumps({"name": name, **({"seconds": 0} if path == "/held" else {})}).ljust(BYTES).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    response = None
    # Who is refused is not listened to any longer.
    with contextlib.suppress(anyio.BrokenResourceError, anyio.EndOfStream):
        async with await anyio.connect_tcp(HOST, port) as stream:
            await stream.send(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode())
            for byte in body:
                await anyio.sleep(PAUSE_SECONDS)
                await stream.send(bytes([byte]))
            response = httpx2.Response(int((await stream.receive()).split()[1]))
    ledger.note(name, response, time.monotonic() - start)
