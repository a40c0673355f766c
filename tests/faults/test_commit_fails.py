"""COMMIT itself fails: refused by the database, or cut off on its way there or back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
from httpx2 import AsyncClient

from tests.faults.ground import SERVERS
from tests.faults.load import at_once, client_of, write
from tests.faults.proxy import Proxy, proxy_to

WRITES = 5
SILENCE_SECONDS = 10

_RULE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF {condition} THEN RAISE 'refused' USING ERRCODE = '{state}'; END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON entries DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION refuse()
"""


@pytest.mark.parametrize("database", ["aiosqlite", "asyncpg", "psycopg-async"], indirect=True)
async def test_a_reference_that_is_refused_at_commit(database, service, witness, figures):
    """A reference that only COMMIT finds missing is answered 409, stores nothing, and leaves the connection usable."""
    service = replace(service, program="tests.faults.deferred:app", options={"POOL_SIZE": "1"})

    async with service.running(), client_of(service) as client:
        top = await client.post("/nodes", json={"name": "top"})
        below = await client.post("/nodes", json={"name": "below", "parent_id": top.json()["id"]})
        refused = [
            await client.post("/nodes", json={"name": "lost", "parent_id": 999}),
            await client.patch(below.headers["location"], json={"name": "lost", "parent_id": 999}),
            await client.delete(top.headers["location"]),
            await client.post("/adopt?parent=999"),
        ]
        after = await client.post("/nodes", json={"name": "after"})
        pool = await client.get("/ready")

    figures(refused=len(refused))
    assert [answer.status_code for answer in refused] == [409] * len(refused), [a.text for a in refused]
    assert (after.status_code, pool.status_code) == (201, 200)
    assert witness.values("SELECT name FROM nodes ORDER BY id") == ["top", "below", "after"]
    assert service.failures == []


@pytest.mark.parametrize("database", ["asyncpg", "psycopg-async"], indirect=True)
async def test_a_rule_that_is_refused_at_commit(database, service, witness, ledger, judge, figures):
    """What a constraint trigger refuses at COMMIT is answered 409 and not stored; what it lets pass is."""
    async with replace(service, options={"POOL_SIZE": "1"}).running(), client_of(service) as client:
        witness.run(_RULE.format(condition="NEW.note = 'refused'", state="P0001"))
        refused = await at_once(WRITES, lambda _: write(client, ledger, note="refused"))
        stored = await at_once(WRITES, lambda _: write(client, ledger))

    figures(**ledger.figures)
    assert {(attempt.status, attempt.code) for attempt in refused} == {(409, "check-failed")}
    assert {attempt.status for attempt in stored} == {201}
    judge()


@pytest.mark.parametrize("database", ["asyncpg", "psycopg-async"], indirect=True)
async def test_what_cannot_be_put_in_an_order_at_commit_is_repeated(
    database, service, witness, ledger, judge, figures
):
    """A serialization failure that comes at COMMIT is got past by running the operation again."""
    async with service.running(), client_of(service) as client:
        witness.run(
            "CREATE SEQUENCE tries", _RULE.format(condition="nextval('tries') % 3 <> 0", state="40001")
        )
        await at_once(WRITES, lambda _: write(client, ledger))

    tries = witness.values("SELECT last_value FROM tries")[0]
    figures(**ledger.figures, tries=tries)
    assert {attempt.status for attempt in ledger.attempts} == {201}
    assert tries == 3 * WRITES
    judge()


@pytest.mark.parametrize("way", ["unheard", "heard"])
@pytest.mark.parametrize("database", SERVERS, indirect=True)
async def test_a_commit_that_is_cut_is_never_repeated(proxied, way, witness, ledger, judge, figures):
    """A connection cut at COMMIT, heard by the database or not, is 503 commit-unknown, and stored once at most."""
    async with proxied() as (proxy, client):
        proxy.cut_at(b"COMMIT", following=b"INSERT INTO entries", way=way)
        cut = await at_once(WRITES, lambda _: write(client, ledger))
        stored = witness.names()
        proxy.cut_nothing()
        after = await at_once(WRITES, lambda _: write(client, ledger))

    figures(**ledger.figures, cuts=proxy.cuts, stored=len(stored))
    told = [(attempt.status, attempt.code, attempt.retry_after) for attempt in cut]
    assert told == [(503, "commit-unknown", None)] * WRITES
    assert (proxy.cuts, len(stored)) == (WRITES, WRITES if way == "heard" else 0)
    assert {attempt.status for attempt in after} == {201}
    judge()


@pytest.mark.parametrize("database", SERVERS, indirect=True)
async def test_what_is_cut_before_its_commit_is_repeated(proxied, ledger, judge, figures):
    """A connection that is lost before COMMIT costs a generated operation nothing: it is run again on another one."""
    async with proxied() as (proxy, client):
        proxy.cut_at(b"INSERT INTO entries", times=2)
        await write(client, ledger)

    figures(**ledger.figures, cuts=proxy.cuts)
    assert ([attempt.status for attempt in ledger.attempts], proxy.cuts) == ([201], 2)
    judge()


@pytest.mark.faults
@pytest.mark.parametrize("word", [b"INSERT INTO entries", b"COMMIT"], ids=["statement", "commit"])
@pytest.mark.parametrize("database", SERVERS, indirect=True)
async def test_a_database_that_falls_silent_costs_no_more_than_its_time(
    proxied, word, ledger, judge, figures
):
    """A connection on which no answer ever comes is given up when the time of a statement is over, and replaced."""
    async with proxied(STATEMENT_TIMEOUT_SECONDS="1") as (proxy, client):
        client.timeout = SILENCE_SECONDS
        following = b"INSERT" if word == b"COMMIT" else b""
        proxy.cut_at(word, following=following, way="silent", times=WRITES)
        silent = await at_once(WRITES, lambda _: write(client, ledger))
        after = await at_once(WRITES, lambda _: write(client, ledger))
        pool = (await client.get("/pool")).json()

    figures(**ledger.figures, cuts=proxy.cuts)
    # What has not come to its COMMIT may have been run again.
    told = {201, 503} if word != b"COMMIT" else {503}
    assert {attempt.status for attempt in silent} <= told
    assert word != b"COMMIT" or {attempt.code for attempt in silent} == {"commit-unknown"}
    assert {attempt.status for attempt in after} == {201}
    assert pool == {"checked_out": 0}
    judge()


@pytest.fixture
def proxied(database, service) -> Callable[..., AbstractAsyncContextManager[tuple[Proxy, AsyncClient]]]:
    """Run the service with a proxy between it and its database; gives the proxy, and a client."""

    @asynccontextmanager
    async def proxied(**options: str) -> AsyncIterator[tuple[Proxy, AsyncClient]]:
        async with AsyncExitStack() as ends:
            proxy = await ends.enter_async_context(proxy_to(database.url))
            behind = replace(service, database=proxy.url, options=options)
            await ends.enter_async_context(behind.running())
            yield proxy, await ends.enter_async_context(client_of(behind))

    return proxied
