"""The application with routes of one's own that change rows which others change too."""

from sqlalchemy.orm import Session

from tests.faults.application import Counter, SessionDep, app, db

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
