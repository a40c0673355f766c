"""The service that is hurt: `uvicorn tests.faults.application:app`, on the database of `DATABASE_URL`.

`POOL_SIZE`, `CHECKOUT_TIMEOUT_SECONDS`, `STATEMENT_TIMEOUT_SECONDS`, `START_TIMEOUT_SECONDS`, `PGBOUNCER` and
`ISOLATION_LEVEL` change the settings of its database.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any

import anyio
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import ForeignKey, String, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install


class Base(DeclarativeBase): ...


class Entry(Base):
    """A line of the ledger; its name is unique to the client alone, so that one stored twice is seen."""

    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), index=True)
    note: Mapped[str | None] = mapped_column(Text)


class Account(Base):
    """A row with a value that only one row may have."""

    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(100), unique=True)


class Counter(Base):
    """A row that many change; its entity tag is a hash."""

    __tablename__ = "counters"
    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


class VersionedCounter(Base):
    """A row that many change; its entity tag is its version."""

    __tablename__ = "versioned_counters"
    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}


class Order(Base):
    """The parent of its lines."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))


class Line(Base):
    """The child of an order."""

    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))


class Held(BaseModel):
    """What is stored by a route that takes its time."""

    name: str
    seconds: float


KNOWN: dict[str, Callable[[str], Any]] = {
    "pool_size": int,
    "checkout_timeout_seconds": float,
    "statement_timeout_seconds": float,
    "start_timeout_seconds": float,
    "pgbouncer": bool,
}


def settings() -> dict[str, Any]:
    """The arguments of `Database` that the environment names."""
    options = {"isolation_level": os.environ.get("ISOLATION_LEVEL")}
    named = {
        name: read(os.environ[name.upper()]) for name, read in KNOWN.items() if name.upper() in os.environ
    }
    return named | ({"engine_options": options} if options["isolation_level"] else {})


db = Database(os.environ["DATABASE_URL"], create=Base.metadata, **settings())
SessionDep = Annotated[AsyncSession, db.session]

app = FastAPI()
install(app, db)
for model in (Entry, Account, Counter, VersionedCounter, Order, Line):
    app.include_router(Resource(model, db))


@app.post("/held", status_code=201)
async def store_slowly(held: Held, session: SessionDep) -> int:
    """Store an entry, and stay in the transaction for a while: a route of one's own."""
    entry = Entry(name=held.name)
    session.add(entry)
    await session.flush()
    await anyio.sleep(held.seconds)
    return entry.id


@app.get("/read")
async def read_slowly(seconds: float, session: SessionDep) -> int:
    """Look at the entries, and stay in the transaction for a while."""
    found = (await session.scalars(select(Entry.id).limit(1))).all()
    await anyio.sleep(seconds)
    return len(found)


@app.get("/pool")
async def count_connections() -> dict[str, int]:
    """How many connections of this process's pool are in use."""
    pool: Any = db.engine.pool
    return {"checked_out": pool.checkedout()}
