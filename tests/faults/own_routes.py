"""The application with more routes of one's own."""

import json

import anyio
from fastapi import Request
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.faults.application import Counter, Entry, SessionDep, app, db

__all__ = ["app"]

SLOW = {
    "sqlite": "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100000000) SELECT max(n) "
    "FROM c",
    "postgresql": "SELECT pg_sleep(10)",
    "mariadb": "SELECT SLEEP(10)",
}
"""Statements that take seconds."""


class Impatient:
    """Gives up requests whose time is over: what many put around their application."""

    def __init__(self, inner: ASGIApp) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seconds = Headers(scope=scope).get("x-seconds") if scope["type"] == "http" else None
        with anyio.move_on_after(float(seconds or "inf")) as time:
            await self.inner(scope, receive, send)
        if time.cancelled_caught:
            await PlainTextResponse("given up", 504)(scope, receive, send)


app.add_middleware(Impatient)


@app.post("/counters/{key}/increment")
async def increment(key: int, session: SessionDep) -> int:
    """Read, add one, write: in one unit of work, that of the request."""
    counter = await session.get_one(Counter, key)
    counter.value += 1
    await session.flush()
    return counter.value


@app.post("/counters/{key}/increment-again")
async def increment_again(key: int) -> int:
    """The same as a function given to `db.run`, which may be run again."""

    def work(session: Session) -> int:
        counter = session.get_one(Counter, key)
        counter.value += 1
        session.flush()
        return counter.value

    return await db.run(work)


@app.post("/read-late", status_code=201)
async def store_what_is_read_late(request: Request, session: SessionDep) -> int:
    """Read the body after the dependencies: where no parameter declares it, FastAPI does not do so before."""
    entry = Entry(**json.loads(await request.body()))
    session.add(entry)
    await session.flush()
    return entry.id


@app.post("/counters/{key}/slow", status_code=201)
async def change_slowly(key: int, session: SessionDep) -> None:
    """Change a row, and then wait for a statement that takes seconds."""
    (await session.get_one(Counter, key)).value += 1
    await session.flush()
    await session.execute(text(SLOW[db.dialect]))


@app.get("/impatient")
async def give_up(seconds: float, session: SessionDep) -> bool:
    """Give up a statement that takes seconds, and say whether that was needed."""
    with anyio.move_on_after(seconds) as time:
        await session.execute(text(SLOW[db.dialect]))
    return time.cancelled_caught
