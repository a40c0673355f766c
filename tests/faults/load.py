"""Clients that write without a pause, and keep a ledger of what they were told."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import httpx2

from tests.faults.ledger import Attempt, Ledger
from tests.faults.service import Service

__all__ = ["at_once", "client_of", "under_load", "until_written", "write"]

_T = TypeVar("_T")

_ANSWER_SECONDS = 10
_PAUSE_SECONDS = 0.05
_ABSENCE_SECONDS = 0.2


def client_of(service: Service, *, connections: int = 100) -> httpx2.AsyncClient:
    """A client of a service that opens so many connections at most; it waits 10 seconds for an answer."""
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx2.AsyncClient(base_url=service.address, timeout=_ANSWER_SECONDS, limits=limits)


async def write(client: httpx2.AsyncClient, ledger: Ledger, path: str = "/entries", **body: Any) -> Attempt:
    """Store one entry under a name of its own, and note what came back."""
    name, start = ledger.new_name(), time.monotonic()
    try:
        response = await client.post(path, json={"name": name, **body})
    except httpx2.ConnectError:
        return ledger.note_unreached(name, time.monotonic() - start)
    except httpx2.TransportError:
        response = None
    return ledger.note(name, response, time.monotonic() - start)


@asynccontextmanager
async def under_load(service: Service, ledger: Ledger, *, writers: int = 8) -> AsyncIterator[None]:
    """Let so many clients write until the end of the block; each then waits for its last answer."""
    async with client_of(service, connections=writers) as client, anyio.create_task_group() as group:
        ended = anyio.Event()
        for _ in range(writers):
            group.start_soon(_write_until, ended, client, ledger)
        yield
        ended.set()


async def at_once(times: int, ask: Callable[[int], Awaitable[_T]]) -> list[_T]:
    """Ask so many times at the same time, each time with another number; the answers in the order of the numbers."""
    answers: dict[int, _T] = {}

    async def keep(number: int) -> None:
        answers[number] = await ask(number)

    async with anyio.create_task_group() as group:
        for number in range(times):
            group.start_soon(keep, number)
    return [answers[number] for number in range(times)]


async def until_written(client: httpx2.AsyncClient, ledger: Ledger, *, within_seconds: float = 10) -> float:
    """Write until a write is acknowledged, and say after how many seconds that was."""
    start = time.monotonic()
    with anyio.fail_after(within_seconds):
        while (await write(client, ledger)).outcome != "acknowledged":  # noqa: ASYNC110  # nothing else tells
            await anyio.sleep(_PAUSE_SECONDS)
    return time.monotonic() - start


async def _write_until(ended: anyio.Event, client: httpx2.AsyncClient, ledger: Ledger) -> None:
    while not ended.is_set():
        attempt = await write(client, ledger)
        if attempt.outcome != "acknowledged":
            # Clients that knock without a pause would take the time that a service needs to start.
            await anyio.sleep(_PAUSE_SECONDS if attempt.reached else _ABSENCE_SECONDS)
