"""Somebody keeps a table locked until all connections wait for it."""

from __future__ import annotations

import time

import anyio
import pytest

from tests.faults.load import at_once, client_of, write

POOL = 10
OTHERS = 20
LOCK_SECONDS = 5
CHECKOUT_SECONDS = 3
MARGIN_SECONDS = 2


@pytest.mark.faults
async def test_a_locked_table_costs_no_more_than_its_requests(
    database, service, witness, ledger, judge, figures
):
    """Who finds no connection is told within 3 s, who waits for the lock within 5 s, and health answers at once."""
    waiting, others, probes = [], [], []

    async def wait() -> None:
        waiting.extend(await at_once(POOL, lambda _: write(client, ledger)))

    async def crowd() -> None:
        others.extend(await at_once(OTHERS, lambda _: write(client, ledger)))

    async with service.running(), client_of(service) as client:
        with witness.locking("entries"):
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await anyio.sleep(0.3)
                group.start_soon(crowd)
                for _ in range(5):
                    probes.extend([await _probe(client, "/health"), await _probe(client, "/ready")])
                    await anyio.sleep(0.4)
        start = time.monotonic()
        recovered = await at_once(OTHERS, lambda _: write(client, ledger))
        recovered_seconds = time.monotonic() - start

    slowest = max(attempt.seconds for attempt in others)
    figures(
        **ledger.figures,
        others_seconds=slowest,
        waiting_seconds=max(attempt.seconds for attempt in waiting),
        probe_seconds=max(seconds for _, seconds in probes),
        recovered_seconds=recovered_seconds,
    )
    assert {attempt.status for attempt in (*waiting, *others)} == {503}
    assert {attempt.status for attempt in recovered} == {201}
    assert not ledger.out_of_order
    assert slowest < CHECKOUT_SECONDS + MARGIN_SECONDS
    assert max(attempt.seconds for attempt in waiting) < LOCK_SECONDS + MARGIN_SECONDS
    assert {status for status, _ in probes} == {200}
    assert max(seconds for _, seconds in probes) < 2
    assert recovered_seconds < 4
    judge()


async def _probe(client, path: str) -> tuple[int, float]:
    start = time.monotonic()
    answer = await client.get(path)
    return answer.status_code, time.monotonic() - start
