"""One row, changed by many at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import anyio
import httpx2
import pytest

from tests.faults.ledger import code_of
from tests.faults.load import at_once, client_of

CLIENTS = 20
INCREMENTS = 8
COUNTERS = ("counters", "versioned_counters")
"""The one's entity tag is a hash of the row, the other's its version."""


async def test_without_if_match_the_last_change_stays(database, service, witness, figures):
    """Twenty changes of one row at once without If-Match are all made, one after the other."""
    async with service.running(), client_of(service) as client:
        got = {path: await _change_at_once(client, await _new(client, path)) for path in COUNTERS}

    figures(**{path: len(answers) for path, answers in got.items()})
    for path, answers in got.items():
        assert _told(answers) == {"200 None": CLIENTS}
        assert [answer.json()["value"] for answer in answers] == list(range(1, CLIENTS + 1))
        assert witness.values(f"SELECT value FROM {path}")[0] in range(1, CLIENTS + 1)
    last = max((answer.json() for answer in got["versioned_counters"]), key=lambda row: row["version"])
    stored = witness.rows("SELECT value, version FROM versioned_counters")
    assert stored == [(last["value"], last["version"])] == [(last["value"], 1 + CLIENTS)]
    assert service.failures == []


async def test_with_if_match_one_change_is_made(database, service, witness, figures):
    """Of twenty changes of one state of a row one is made, and the others are answered 412."""
    got = {}
    async with service.running(), client_of(service) as client:
        for path in COUNTERS:
            row = await _new(client, path)
            got[path] = await _change_at_once(client, row, **{"If-Match": row.headers["etag"]})

    figures(**{path: _told(answers)["412 precondition-failed"] for path, answers in got.items()})
    for path, answers in got.items():
        assert _told(answers) == {"200 None": 1, "412 precondition-failed": CLIENTS - 1}
        [made] = [answer.json()["value"] for answer in answers if answer.status_code == 200]
        assert witness.values(f"SELECT value FROM {path}") == [made]
    assert service.failures == []


@pytest.mark.faults
@pytest.mark.parametrize("path", COUNTERS)
async def test_a_counter_by_read_and_if_match_is_exact(database, path, service, witness, figures):
    """Clients that read, add one and write with If-Match, again after a 412, lose no increment."""
    clients, told = 4, Counter()

    async def increment(client: httpx2.AsyncClient, row: str) -> None:
        made = 0
        while made < INCREMENTS:
            read = await client.get(row)
            state = {"If-Match": read.headers["etag"]}
            answer = await client.patch(row, json={"value": read.json()["value"] + 1}, headers=state)
            told.update(_told([answer]))
            made += answer.status_code == 200

    async with replace(service, workers=2).running(), client_of(service) as client:
        row = (await _new(client, path)).headers["location"]
        async with anyio.create_task_group() as group:
            for _ in range(clients):
                group.start_soon(increment, client, row)

    figures(increments=told["200 None"], answers_412=told["412 precondition-failed"])
    assert told.keys() == {"200 None", "412 precondition-failed"}
    assert witness.values(f"SELECT value FROM {path}") == [clients * INCREMENTS]
    assert service.failures == []


async def _new(client: httpx2.AsyncClient, path: str) -> httpx2.Response:
    return await client.post(f"/{path}", json={"value": 0})


async def _change_at_once(
    client: httpx2.AsyncClient, row: httpx2.Response, **headers: str
) -> list[httpx2.Response]:
    """Each sends another value, of 1 and more: a change to what is stored would change no hash."""
    path = row.headers["location"]
    return await at_once(
        CLIENTS, lambda number: client.patch(path, json={"value": number + 1}, headers=headers)
    )


def _told(answers: Sequence[httpx2.Response]) -> Counter[str]:
    return Counter(f"{answer.status_code} {code_of(answer)}" for answer in answers)
