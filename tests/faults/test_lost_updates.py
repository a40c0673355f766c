"""One row, changed by many at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import anyio
import pytest

from tests.faults.ledger import code_of
from tests.faults.load import at_once, client_of

CLIENTS = 20
INCREMENTS = 10
COUNTERS = ("counters", "versioned_counters")


@pytest.mark.parametrize("path", COUNTERS)
async def test_without_if_match_the_last_change_stays(database, path, service, witness, figures):
    """Twenty changes of one row at once without If-Match are all made, one after the other."""
    async with replace(service, workers=2).running(), client_of(service) as client:
        row = (await client.post(f"/{path}", json={"value": 0})).headers["location"]
        got = await at_once(CLIENTS, lambda number: client.patch(row, json={"value": number + 1}))

    answers = Counter(f"{answer.status_code} {code_of(answer)}" for answer in got)
    figures(answers_200=answers["200 None"])
    assert answers == {"200 None": CLIENTS}
    assert [answer.json()["value"] for answer in got] == list(range(1, CLIENTS + 1))
    assert witness.values(f"SELECT value FROM {path}")[0] in range(1, CLIENTS + 1)
    if path == "versioned_counters":
        last = max((answer.json() for answer in got), key=lambda row: row["version"])
        assert witness.rows(f"SELECT value, version FROM {path}") == [(last["value"], CLIENTS + 1)]
    assert service.failures == []


@pytest.mark.parametrize("path", COUNTERS)
async def test_with_if_match_one_change_is_made(database, path, service, witness, figures):
    """Of twenty changes of one state of a row one is made, and the others are answered 412."""
    async with replace(service, workers=2).running(), client_of(service) as client:
        created = await client.post(f"/{path}", json={"value": 0})
        row, state = created.headers["location"], {"If-Match": created.headers["etag"]}
        got = await at_once(
            CLIENTS, lambda number: client.patch(row, json={"value": number + 1}, headers=state)
        )

    answers = Counter(f"{answer.status_code} {code_of(answer)}" for answer in got)
    figures(**{f"answers_{name.split()[0]}": count for name, count in answers.items()})
    assert answers == {"200 None": 1, "412 precondition-failed": CLIENTS - 1}
    [made] = [answer.json()["value"] for answer in got if answer.status_code == 200]
    assert witness.values(f"SELECT value FROM {path}") == [made]
    assert service.failures == []


@pytest.mark.faults
@pytest.mark.parametrize("path", COUNTERS)
async def test_a_counter_by_read_and_if_match_is_exact(database, path, service, witness, figures):
    """Clients that read, add one and write with If-Match, again after a 412, lose no increment."""
    clients, answers = 8, Counter()

    async def increment(client, row: str) -> None:
        made = 0
        while made < INCREMENTS:
            read = await client.get(row)
            state = {"If-Match": read.headers["etag"]}
            answer = await client.patch(row, json={"value": read.json()["value"] + 1}, headers=state)
            answers[f"{answer.status_code} {code_of(answer)}"] += 1
            made += answer.status_code == 200

    async with replace(service, workers=2).running(), client_of(service) as client:
        row = (await client.post(f"/{path}", json={"value": 0})).headers["location"]
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for _ in range(clients):
                    group.start_soon(increment, client, row)

    figures(**{f"answers_{name.split()[0]}": count for name, count in answers.items()})
    assert answers.keys() == {"200 None", "412 precondition-failed"}
    assert witness.values(f"SELECT value FROM {path}") == [clients * INCREMENTS]
    assert service.failures == []
