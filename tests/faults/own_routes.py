"""The application with more routes of one's own."""

import json

from fastapi import Request
from sqlalchemy.orm import Session

from tests.faults.application import Counter, Entry, SessionDep, app, db

__all__ = ["app"]


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
